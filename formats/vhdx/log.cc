#include "formats/vhdx/log.h"

#include <algorithm>
#include <utility>

#include "formats/vhdx/log_entry.h"

namespace instar::vhdx {
namespace {

struct PlacedEntry {
  std::uint64_t position = 0;
  LogEntryHeader header;
};
using Sequence = std::vector<PlacedEntry>;

// The entries that follow one another from `position` on.
Result<Sequence> SequenceAt(LogRing& ring, std::uint64_t position) {
  Sequence sequence;
  std::uint64_t used = 0;
  while (used < ring.bytes()) {
    INSTAR_ASSIGN_OR_RETURN(const auto entry, ring.EntryAt(position));
    if (!entry || used + entry->entry_bytes > ring.bytes()) break;
    if (!sequence.empty() && entry->sequence_number != sequence.back().header.sequence_number + 1) {
      break;
    }
    sequence.push_back({.position = position, .header = *entry});
    used += entry->entry_bytes;
    position = (position + entry->entry_bytes) % ring.bytes();
  }
  return sequence;
}

// The entry of `sequence` that its last one names as the tail; the end if there is none.
Sequence::const_iterator TailOf(const Sequence& sequence) {
  return std::ranges::find(sequence, std::uint64_t{sequence.back().header.tail},
                           &PlacedEntry::position);
}

// The sequence to be replayed, without what comes before its tail.
Result<Sequence> ActiveSequence(LogRing& ring) {
  Sequence active;
  std::uint64_t position = 0;
  while (position < ring.bytes()) {
    INSTAR_ASSIGN_OR_RETURN(Sequence sequence, SequenceAt(ring, position));
    if (sequence.empty()) {
      position += kLogSectorBytes;
      continue;
    }
    const std::uint64_t end = sequence.back().position + sequence.back().header.entry_bytes;
    // One that wraps around is the last to be found.
    position = end > position && end <= ring.bytes() ? end : ring.bytes();
    const auto tail = TailOf(sequence);
    if (tail == sequence.end()) continue;
    if (active.empty() ||
        sequence.back().header.sequence_number > active.back().header.sequence_number) {
      active.assign(tail, sequence.cend());
    }
  }
  if (active.empty()) {
    return Corrupt("the log is said to hold changes, but has no valid sequence of entries");
  }
  return active;
}

// Leaves the latest change of each place.
void KeepLatest(std::vector<DataChange>& changes) {
  std::ranges::sort(changes, [](const DataChange& a, const DataChange& b) {
    return a.file_offset != b.file_offset ? a.file_offset < b.file_offset : a.order > b.order;
  });
  const auto rest = std::ranges::unique(changes, {}, &DataChange::file_offset);
  changes.erase(rest.begin(), rest.end());
}

}  // namespace

Result<LogChanges> ReadLog(const BlockDevice& device, const Header& header) {
  LogChanges changes{.file_bytes = device.size_bytes()};
  if (!header.has_log()) return changes;
  if (header.log_bytes > kMaxReplayedLogBytes) {
    return OverLimit("a log of {0} bytes is too large to be replayed; the most is {1}",
                     header.log_bytes, kMaxReplayedLogBytes);
  }
  LogRing ring(device, header);
  INSTAR_ASSIGN_OR_RETURN(const Sequence active, ActiveSequence(ring));
  const LogEntryHeader& last = active.back().header;
  if (last.flushed_file_bytes > device.size_bytes()) {
    return Corrupt("the file has {0} bytes, but had {1} when its log was written",
                   device.size_bytes(), last.flushed_file_bytes);
  }
  if (last.last_file_bytes > INT64_MAX) {
    return Corrupt("the log extends the file to {0} bytes, which no file has",
                   last.last_file_bytes);
  }
  changes.file_bytes = std::max(changes.file_bytes, last.last_file_bytes);
  for (const PlacedEntry& entry : active) {
    INSTAR_TRY(ring.AppendChanges(entry.position, entry.header, changes));
  }
  KeepLatest(changes.data);
  return changes;
}

}  // namespace instar::vhdx
