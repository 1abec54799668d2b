"""A catalogue of books. The server's spans come from the instrumentation, the others are the application's own."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from pydantic import BaseModel

app = FastAPI()
tracer = trace.get_tracer("catalogue")


class Book(BaseModel):
    title: str
    euros: float


BOOKS = {1: Book(title="Notes on the Analytical Engine", euros=30), 2: Book(title="The Education of a Computer", euros=20)}


@tracer.start_as_current_span("look up")
async def look_up(number: int) -> Book | None:
    return BOOKS.get(number)


@app.get("/books/{number}")
async def read_book(number: int) -> Book:
    book = await look_up(number)
    if book is None:
        raise HTTPException(404, f"no book {number}")
    with tracer.start_as_current_span("discount", attributes={"title": book.title}):
        return book.model_copy(update={"euros": book.euros * 0.9})
