"""The tables of the shop, which stand in the schema `public`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Identity, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The base of each table."""


class Book(Base):
    """A title, and how many copies are left."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("copies >= 0", name="ck_books_copies"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str]
    copies: Mapped[int]


class Order(Base):
    """One copy for somebody."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    email: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    book: Mapped[Book] = relationship()


metadata = Base.metadata
