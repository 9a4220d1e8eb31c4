-- cancel_requested: shared/jobs/leases.py

SELECT cancel_requested_at IS NOT NULL FROM jobs WHERE id = :id;
