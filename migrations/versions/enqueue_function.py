"""Tasks as rows, and the SQL function `gristmill.enqueue` for applications with this database.

A role that may enqueue needs two grants and no table: USAGE on the schema gristmill, and EXECUTE on the function. A
later revision replaces the function with the same parameters, since dropping it would drop the grants.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "enqueue_function"
down_revision = "core_base"
branch_labels = None
depends_on = None

# Postgres 18 has a function of its own. The other one writes the microseconds into the twelve bits after the version,
# as that does; the variant and 62 random bits are those of gen_random_uuid().
_NEW_JOB_ID = """
DO $migration$
BEGIN
    IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
        CREATE FUNCTION gristmill.new_job_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT pg_catalog.uuidv7()';
    ELSE
        CREATE FUNCTION gristmill.new_job_id() RETURNS uuid LANGUAGE plpgsql VOLATILE PARALLEL SAFE
        AS $body$
        DECLARE
            microseconds bigint := floor(extract(epoch FROM clock_timestamp()) * 1000000);
        BEGIN
            RETURN encode(
                substring(int8send(microseconds / 1000) FROM 3)
                || int2send((28672 + microseconds % 1000 * 4096 / 1000)::int2)
                || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid;
        END
        $body$;
    END IF;
END
$migration$
"""

_FIND_OPTION_PROBLEMS = r"""
CREATE FUNCTION gristmill.find_option_problems(
    run_at timestamptz, delay interval, unique_key text, tags text[], priority text, max_attempts integer,
    expires_at timestamptz, traceparent text) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    longest constant interval := '366 days';
    start timestamptz := statement_timestamp();
    problems text[];
BEGIN
    IF run_at IS NOT NULL AND delay IS NOT NULL THEN
        problems := problems || 'delay: give run_at or delay, not both'::text;
    ELSIF run_at > start + longest THEN
        problems := problems || 'run_at: more than a year ahead; use a schedule, or enqueue it later'::text;
    ELSIF delay NOT BETWEEN interval '0' AND longest THEN
        problems := problems || 'delay: must lie between 0 and 366 days'::text;
    ELSE
        start := greatest(start, run_at, start + delay);
    END IF;
    IF expires_at <= start THEN
        problems := problems || 'expires_at: before the job may run (run_at, or now): it could only expire'::text;
    ELSIF expires_at > start + longest THEN
        problems := problems || 'expires_at: more than a year after the job may run; leave it out'::text;
    END IF;
    IF length(unique_key) NOT BETWEEN 1 AND 255 THEN
        problems := problems || 'unique_key: must have 1 to 255 characters'::text;
    END IF;
    IF tags IS NULL OR cardinality(tags) > 20 OR array_ndims(tags) > 1 THEN
        problems := problems || 'tags: must be an array of at most 20 texts; leave it out for none'::text;
    ELSIF tags <> '{}' AND EXISTS (
        SELECT FROM unnest(tags) AS tag WHERE tag IS NULL OR length(tag) NOT BETWEEN 1 AND 64
    ) THEN
        problems := problems || 'tags: each must have 1 to 64 characters'::text;
    END IF;
    IF priority IS NULL OR priority NOT IN ('normal', 'high') THEN
        problems := problems || 'priority: must be normal or high'::text;
    END IF;
    IF max_attempts NOT BETWEEN 1 AND 100 THEN
        problems := problems || 'max_attempts: must lie between 1 and 100'::text;
    END IF;
    IF traceparent !~ '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$' THEN
        problems := problems || 'traceparent: must be a W3C trace context of version 00'::text;
    END IF;
    RETURN problems;
END
$body$
"""

# `rules` is the column `arguments` of gristmill.tasks. No value is shown in a problem: it may be a secret.
_FIND_ARGUMENT_PROBLEMS = r"""
CREATE FUNCTION gristmill.find_argument_problems(rules jsonb, args jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    name text;
    value jsonb;
    rule jsonb;
    kind text;
    problem text;
    problems text[];
BEGIN
    FOR name, value IN SELECT * FROM jsonb_each(args) LOOP
        rule := rules -> name;
        kind := jsonb_typeof(value);
        IF rule IS NULL THEN
            problem := 'is no argument of this task';
        ELSIF rule ? 'secret' AND kind <> 'null' THEN
            CONTINUE WHEN kind = 'object' AND value - '$sealed' = '{}'
                          AND value ->> '$sealed' ~ '^gAAAA[A-Za-z0-9_-]{60,}={0,2}$';
            problem := 'is secret, and not sealed';
        ELSE
            CONTINUE WHEN rule -> 'types' ? kind
                          OR (kind = 'number' AND rule -> 'types' ? 'integer' AND value::numeric % 1 = 0);
            problem := format('must be %s, not %s',
                              array_to_string(ARRAY(SELECT jsonb_array_elements_text(rule -> 'types')), ' or '), kind);
        END IF;
        IF name !~ '^[A-Za-z0-9_-]{1,64}$' THEN
            name := to_json(left(name, 64))::text;
        END IF;
        problems := problems || format('args.%s: %s', name, problem);
        EXIT WHEN cardinality(problems) = 50;
    END LOOP;
    FOR name, rule IN SELECT * FROM jsonb_each(rules) LOOP
        IF rule ? 'required' AND NOT args ? name THEN
            problems := problems || format('args.%s: is required', name);
        END IF;
    END LOOP;
    RETURN problems;
END
$body$
"""

# What Postgres would store and a worker could not read back: JSON nested too deeply, and numbers that lose digits. Both
# searches read all of it, so they begin only where the text may hold such a value.
_FIND_UNREADABLE = r"""
CREATE FUNCTION gristmill.find_unreadable(args jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    written text := args;
BEGIN
    IF octet_length(written) > 262144 THEN
        RETURN 'is larger than 256 KiB: store large objects elsewhere, and pass where they are';
    ELSIF length(written) - length(translate(written, '[{', '')) > 32 AND jsonb_path_exists(args, '$.**{33}') THEN
        RETURN 'nests deeper than 32 levels: flatten it';
    ELSIF written ~ '[0-9]{19}' AND EXISTS (
        SELECT FROM jsonb_path_query(args, '$.** ? (@.type() == "number")') AS number
        WHERE CASE WHEN abs(number::numeric) > 1.7976931348623157e308 THEN true
                   WHEN number::numeric BETWEEN -9223372036854775808 AND 18446744073709551615 THEN false
                   ELSE number::numeric <> number::double precision::text::numeric END
    ) THEN
        RETURN 'holds a number beyond 64 bits, which would lose digits: pass it as text';
    END IF;
    RETURN NULL;
END
$body$
"""

_ENQUEUE = r"""
CREATE FUNCTION gristmill.enqueue(
    task text,
    args jsonb DEFAULT '{}',
    run_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL,
    unique_key text DEFAULT NULL,
    tags text[] DEFAULT '{}',
    priority text DEFAULT 'normal',
    max_attempts integer DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    parent_id uuid DEFAULT NULL,
    traceparent text DEFAULT NULL,
    callback_url text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_column
DECLARE
    accepted_at constant timestamptz := statement_timestamp();
    known gristmill.tasks%ROWTYPE;
    problems text[];
    argument_problems text[];
    unreadable text;
    unsealed integer;
    is_urgent boolean;
    due_at timestamptz;
    is_new boolean;
    job_id uuid;
    chosen_queue text;
    waits_for_ever boolean;
BEGIN
    SELECT * INTO known FROM gristmill.tasks WHERE name = enqueue.task;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no task is called %', coalesce(quote_literal(left(enqueue.task, 200)), 'NULL') USING
            ERRCODE = 'GM001',
            DETAIL = 'task: not in the table gristmill.tasks, which holds '
                     || coalesce((SELECT string_agg(name, ', ') FROM (
                            SELECT name FROM gristmill.tasks WHERE NOT internal ORDER BY name LIMIT 30) AS first),
                        'nothing'),
            HINT = 'A task is in it as soon as a process of Gristmill that declares it has started.';
    ELSIF known.internal THEN
        RAISE EXCEPTION 'the task % is enqueued by other tasks alone', known.name USING
            ERRCODE = 'GM002',
            DETAIL = 'task: declared with internal=True',
            HINT = 'Enqueue the task whose work it is a part of.';
    ELSIF enqueue.callback_url IS NOT NULL THEN
        RAISE EXCEPTION 'a job that the database enqueues has no callback' USING
            ERRCODE = 'GM007',
            DETAIL = 'callback_url: a callback is signed with the secret of a producer, and this job has no producer',
            HINT = 'Post the job over HTTP with the key of a producer, or enqueue what follows in the task itself.';
    END IF;

    IF enqueue.args IS NULL OR jsonb_typeof(enqueue.args) <> 'object' THEN
        argument_problems := ARRAY['args: must be a JSON object; leave it out for none'];
    ELSE
        argument_problems := gristmill.find_argument_problems(known.arguments, enqueue.args);
        unreadable := gristmill.find_unreadable(enqueue.args);
    END IF;
    problems := gristmill.find_option_problems(
        enqueue.run_at, enqueue.delay, enqueue.unique_key, enqueue.tags, enqueue.priority, enqueue.max_attempts,
        enqueue.expires_at, enqueue.traceparent);
    IF argument_problems IS NOT NULL OR unreadable IS NOT NULL OR problems IS NOT NULL THEN
        unsealed := (SELECT count(*) FROM unnest(argument_problems) AS problem WHERE problem LIKE '%not sealed');
        RAISE EXCEPTION 'the arguments or options of a job for % are not valid', known.name USING
            ERRCODE = CASE
                WHEN unreadable IS NOT NULL THEN 'GM004'
                WHEN argument_problems IS NULL THEN 'GM006'
                WHEN unsealed = cardinality(argument_problems) THEN 'GM005'
                ELSE 'GM003' END,
            DETAIL = array_to_string(argument_problems || ('args: ' || unreadable) || problems, E'\n'),
            HINT = CASE
                WHEN unsealed > 0 THEN
                    'A secret argument is only stored encrypted: enqueue this task by gristmill.enqueue of Python, '
                    'which seals it, or post it over HTTP.'
                WHEN argument_problems IS NOT NULL THEN
                    'GET /api/v1/tasks/' || known.name || ' shows the arguments of the task.'
                ELSE 'docs/enqueue-from-your-application.md describes the options.' END;
    END IF;

    is_urgent := enqueue.priority = 'high';
    chosen_queue := CASE WHEN is_urgent THEN known.priority_queue ELSE known.queue END;
    due_at := greatest(accepted_at, enqueue.run_at, accepted_at + enqueue.delay);
    waits_for_ever := enqueue.unique_key IS NOT NULL AND current_setting('lock_timeout') = '0';
    IF waits_for_ever THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    -- A live job with this key can end between the INSERT and the SELECT, hardly three times in a row.
    FOR attempt IN 1 .. 3 LOOP
        INSERT INTO gristmill.jobs (id, task, queue, args, state, priority, max_attempts, run_at, expires_at,
                                    unique_key, tags, parent_id, traceparent, created_at)
        VALUES (gristmill.new_job_id(), known.name, chosen_queue, enqueue.args,
                CASE WHEN due_at > accepted_at THEN 'scheduled' ELSE 'queued' END, enqueue.priority,
                coalesce(enqueue.max_attempts, known.max_attempts), due_at,
                coalesce(enqueue.expires_at, due_at + CASE
                    WHEN is_urgent THEN known.priority_time_to_live ELSE known.time_to_live END),
                enqueue.unique_key, enqueue.tags, enqueue.parent_id, enqueue.traceparent, accepted_at)
        ON CONFLICT (task, unique_key, producer_id)
            WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying')
            DO NOTHING
        RETURNING id INTO job_id;
        is_new := job_id IS NOT NULL;
        IF NOT is_new THEN
            SELECT id INTO job_id FROM gristmill.jobs
            WHERE jobs.task = known.name AND jobs.unique_key = enqueue.unique_key AND producer_id IS NULL
                  AND state IN ('scheduled', 'queued', 'running', 'retrying');
        END IF;
        EXIT WHEN job_id IS NOT NULL;
    END LOOP;
    IF waits_for_ever THEN
        PERFORM set_config('lock_timeout', '0', true);
    END IF;
    IF job_id IS NULL THEN
        RAISE EXCEPTION 'jobs of % with this unique key end and begin again right now', known.name USING
            ERRCODE = 'GM008', HINT = 'Repeat the transaction.';
    ELSIF is_new THEN
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
        VALUES (job_id, known.name, chosen_queue, due_at);
        IF due_at <= accepted_at THEN
            PERFORM pg_notify('gristmill_outbox', '');
        END IF;
    END IF;
    RETURN job_id;
END
$body$
"""

# By their names, of which there is one function each.
_FUNCTIONS = {
    "new_job_id": _NEW_JOB_ID,
    "find_option_problems": _FIND_OPTION_PROBLEMS,
    "find_argument_problems": _FIND_ARGUMENT_PROBLEMS,
    "find_unreadable": _FIND_UNREADABLE,
    "enqueue": _ENQUEUE,
}


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "tasks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plugin", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("time_to_live", sa.Interval(), nullable=True),
        sa.Column("priority_queue", sa.Text(), nullable=False),
        sa.Column("priority_time_to_live", sa.Interval(), nullable=True),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("arguments", JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tasks")),
        schema="gristmill",
    )
    op.add_column("process_reports", sa.Column("tasks", ARRAY(sa.Text()), nullable=True), schema="gristmill")
    for name, definition in _FUNCTIONS.items():
        op.execute(sa.text(definition.replace(":", r"\:")))
        op.execute(f"REVOKE ALL ON FUNCTION gristmill.{name} FROM PUBLIC")


def downgrade() -> None:
    """Take the revision back."""
    for name in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION gristmill.{name}")
    op.drop_column("process_reports", "tasks", schema="gristmill")
    op.drop_table("tasks", schema="gristmill")
