"""What the joins of a job do."""

from __future__ import annotations

from tests.contract.reference.flow import RULES, Rule
from tests.contract.reference.jobs import Collection, Item, Job
from tests.contract.reference.single import Single


class Joining(Single):
    """Collects items and fires joins."""

    def outstanding(self, job: Job, routine: int) -> int:
        """What may still start or be a handler of the routine, open joins included."""
        # An item of a join that is put off is one that its emitter has not delivered yet.
        items = {name: item for name, item in job.put_off.items() if item.mode.startswith("j")}
        others = [name for name in job.uncommitted if name not in items]
        invocations = [*others, *(f"0.{field}" for field in job.open)]
        started = sum(int(invocation.split(".")[1]) == routine for invocation in invocations)
        started += sum(item.emitter == routine for item in items.values())
        return started + sum(item.routine == routine for item in job.staged)

    def is_below(self, job: Job, rule: Rule) -> bool:
        """Whether something above the join may still deliver."""
        return any(self.outstanding(job, routine) for routine in rule.above)

    def collect(self, job: Job, item: Item) -> None:
        need, _, key = item.mode[1:].partition(":")
        field = f"{item.routine}.{item.slot}/{key}"
        rule = RULES[f"{item.routine}.{item.slot}"]
        if field not in job.open:
            job.last += 1
            job.open[field] = Collection(job.last)
            if rule.late:
                self.timers[job.id, "join", f"{job.last} {field}"] = False
        collection = job.open[field]
        collection.items.append(item.record)
        job.collected[collection.number] = collection.items
        job.items["delivered"] += 1
        if int(need) and len(collection.items) >= int(need):
            self.fire(job, field)

    def fire(self, job: Job, field: str) -> None:
        """Hand the items over: once, since the join is no longer open then."""
        slot, _, key = field.partition("/")
        collection = job.open.pop(field)
        self.timers.pop((job.id, "join", f"{collection.number} {field}"), None)
        invocation = f"{collection.number}.{slot}"
        assert invocation not in job.invocations, "a collection fired twice"
        job.invocations.append(invocation)
        job.uncommitted[invocation] = f"J{len(collection.items)} {key}".encode()
        job.items["handed over"] += len(collection.items)
        self.enqueue(job, invocation)

    def open_in_order(self, job: Job) -> list[tuple[str, Rule]]:
        """Open joins in the order of their first items."""
        fields = sorted(job.open, key=lambda field: job.open[field].number)
        return [(field, RULES[field.partition("/")[0]]) for field in fields]

    def fire_complete(self, job: Job) -> None:
        """Joins of everything fire when nothing above them is outstanding."""
        if job.staged or job.staged_outputs:
            return
        complete = [
            field
            for field, rule in self.open_in_order(job)
            if rule.kind == "all" and not self.is_below(job, rule)
        ]
        for field in complete:
            self.fire(job, field)

    def first_in_line(self, job: Job) -> list[tuple[str, Rule]]:
        """Open joins with no other one above; those on one cycle are not above each other."""
        opened = self.open_in_order(job)

        def blocks(other: str, rule: Rule, field: str) -> bool:
            above, below = int(other[0]), int(field[0])
            mutual = below in RULES[other.partition("/")[0]].above
            return above in rule.above and not mutual

        return [
            (field, rule)
            for field, rule in opened
            if not any(blocks(other, rule, field) for other, _ in opened)
        ]
