"""Writes a report on orders; one trace a run."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry import trace

from nanospan import BatchSpanProcessor, TracerProvider

tracer = trace.get_tracer("report")


@dataclass(frozen=True)
class Order:
    customer: str
    euros: float


@tracer.start_as_current_span("load orders")
def load_orders() -> list[Order]:
    orders = [Order("ada", 12.50), Order("grace", 80.00), Order("ada", 7.50)]
    trace.get_current_span().set_attribute("orders", len(orders))
    return orders


def sum_by_customer(orders: list[Order]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for order in orders:  # nanospan: loop-ok a few orders, so that the trace has children
        with tracer.start_as_current_span("add order", attributes={"customer": order.customer}):
            sums[order.customer] = sums.get(order.customer, 0) + order.euros
    return sums


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor())
    trace.set_tracer_provider(provider)
    with tracer.start_as_current_span("report"):
        for customer, euros in sum_by_customer(load_orders()).items():
            print(f"{customer:10} {euros:8.2f} EUR")


if __name__ == "__main__":
    main()
