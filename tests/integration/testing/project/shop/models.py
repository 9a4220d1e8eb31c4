"""The tables of the shop, which no migration makes."""

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, func

metadata = MetaData()
invoices = Table(
    "invoices",
    metadata,
    Column("number", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)
calls = Table("calls", metadata, Column("name", Text, nullable=False), Column("together", Integer, nullable=False))
