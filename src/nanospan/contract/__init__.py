"""What a span may say, checked while it becomes bytes: semantic conventions and redaction.

    from nanospan import BatchSpanProcessor
    from nanospan.contract import Conventions, Redaction

    BatchSpanProcessor(contract=[Conventions(mode="warn"), Redaction.default()])

The rules see every span once, at its end, after the sampler and before the queue; spans that the sampler left out are not
seen. ``processor.contract_report()`` tells what was found.
"""

from __future__ import annotations

from nanospan.contract._compile import compiled_contract
from nanospan.contract._report import ContractReport, report_of
from nanospan.contract.conventions import Conventions
from nanospan.contract.redaction import Redaction

__all__ = ["ContractReport", "Conventions", "Redaction", "Rule", "compiled_contract", "report_of"]

Rule = Conventions | Redaction
"""What the argument ``contract`` of `nanospan.BatchSpanProcessor` takes."""
