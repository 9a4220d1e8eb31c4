"""Tasks of the shop."""

from marshmallow import Schema, fields

from gristmill import Context, task


class ReportArgs(Schema):
    """The report to build."""

    number = fields.Integer(required=True)


@task(name="report.build", queue="report_queue", args=ReportArgs)
def build(ctx: Context, *, number: int) -> dict[str, int]:
    """Build a report, and mail it."""
    ctx.enqueue("email.send", to="boss@example.com", template="report", context={"number": number, "total": "7,00 €"})
    return {"number": number}
