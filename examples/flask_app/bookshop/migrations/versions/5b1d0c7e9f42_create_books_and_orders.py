"""Create the tables books and orders, with two books."""

import sqlalchemy as sa
from alembic import op

revision = "5b1d0c7e9f42"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    books = op.create_table(
        "books",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.CheckConstraint("copies >= 0", name="ck_books_copies"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("book_id", sa.Integer(), sa.ForeignKey("books.id"), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
    )
    op.bulk_insert(books, [{"title": "Middlemarch", "copies": 100}, {"title": "The Mill on the Floss", "copies": 0}])


def downgrade() -> None:
    """Drop them, with what they hold."""
    op.drop_table("orders")
    op.drop_table("books")
