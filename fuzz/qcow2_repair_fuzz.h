// Any bytes as a qcow2 image that is repaired.
#ifndef FUZZ_QCOW2_REPAIR_FUZZ_H_
#define FUZZ_QCOW2_REPAIR_FUZZ_H_

#include "changed_file.h"
#include "formats/qcow2/edit/repair.h"

namespace instar::fuzz {

// What the old header reaches stays until the header is written, and what a repair says is left is
// what a check finds then. With kAll nothing leaks that can be told to.
inline void FuzzQcow2Repair(std::span<const std::byte> input) {
  auto change = SplitInput(input);
  if (!change) return;
  FileInMemory file(change->image);
  CountingSink sink;
  const RepairMode mode = change->Next(3) == 0 ? RepairMode::kLeaks : RepairMode::kAll;
  const bool dry_run = change->Next(8) == 0;
  const auto repaired = qcow2::Repair(
      {.image = &file, .device = dry_run ? nullptr : &file, .findings = &sink, .mode = mode});
  if (!file.flipped()) {
    Require(
        std::ranges::equal(
            file.bytes().first(std::min<std::size_t>(change->image.size(), file.bytes().size())),
            change->image.first(std::min(change->image.size(), file.bytes().size()))),
        "nothing of the old image is written to");
  }
  if (!repaired || dry_run) return;
  const auto after = Counts(file.bytes());
  if (!after) {
    Require(after.error().code == ErrorCode::kIo || after.error().code == ErrorCode::kLimit,
            "what was repaired can be checked");
    return;
  }
  Require(after->corruptions == repaired->left.corruptions, "what is left is what is told");
  Require(after->leaks == repaired->left.leaks, "leaks that are left are told");
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_REPAIR_FUZZ_H_
