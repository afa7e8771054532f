"""What the documents say of the program, held against the program."""

import generated_docs
import support_table
from harness import Group


def support_table_is_true(t):
    t.equal(support_table.documented(), support_table.table(t.tools.instar),
            "the table in README.md (tests/support_table.py --write makes it anew)")


def documents_are_fresh(t):
    t.equal(generated_docs.stale(t.tools.instar), [],
            "files that do not say what --help says ('./dev docs' renews them)")


def groups():
    group = Group("documents")
    group.case("the table of formats and verbs in README.md is true")(support_table_is_true)
    group.case("manual page, completions and option tables are those of --help")(
        documents_are_fresh)
    return [group]
