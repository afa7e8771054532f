"""The table of promises that hold though the guest was taken over: all of its rows."""

from hostile.guest import (rows_chance, rows_edits, rows_files, rows_gate, rows_memory, rows_protocol,
                           rows_records, rows_time)


TABLES = (rows_time.table, rows_time.requests, rows_memory.table, rows_files.table, rows_edits.table,
          rows_gate.table, rows_records.table, rows_protocol.table, rows_chance.table)


def groups():
    return [table.group() for table in TABLES]
