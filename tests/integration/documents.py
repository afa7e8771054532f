"""What the documents say of the program, held against the program."""

import support_table
from harness import Group


def support_table_is_true(t):
    t.equal(support_table.documented(), support_table.table(t.tools.instar),
            "the table in README.md (tests/support_table.py --write makes it anew)")


def groups():
    group = Group("documents")
    group.case("the table of formats and verbs in README.md is true")(support_table_is_true)
    return [group]
