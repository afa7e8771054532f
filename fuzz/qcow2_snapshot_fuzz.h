// Any bytes as a qcow2 image in which a snapshot is taken, applied or deleted (changed_file.h says
// what is demanded).
#ifndef FUZZ_QCOW2_SNAPSHOT_FUZZ_H_
#define FUZZ_QCOW2_SNAPSHOT_FUZZ_H_

#include "changed_file.h"
#include "formats/snapshot.h"

namespace instar::fuzz {

inline void FuzzQcow2Snapshot(std::span<const std::byte> input) {
  constexpr Status (*kActions[])(const SnapshotOptions&) = {CreateSnapshot, ApplySnapshot,
                                                            DeleteSnapshot};
  constexpr std::string_view kNames[] = {"a", "b", "1", "2"};
  auto change = SplitInput(input);
  if (!change) return;
  FileInMemory file(change->image);
  const auto action = kActions[change->Next(std::size(kActions))];
  const SnapshotOptions options{
      .format = FormatId::kQcow2, .device = &file, .name = kNames[change->Next(std::size(kNames))]};
  RequireOldOrSound(file, change->image, action(options));
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_SNAPSHOT_FUZZ_H_
