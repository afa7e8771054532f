#include "formats/qcow2/edit/move_down.h"

#include "formats/qcow2/edit/bitmap_change.h"
#include "formats/qcow2/edit/mapping_change.h"
#include "formats/qcow2/edit/snapshot_list.h"

namespace instar::qcow2 {

bool IsWorthMoving(const FileTail& tail) {
  constexpr std::uint64_t kLittleBytes = 1 << 20;
  return tail.tables_bytes <= kLittleBytes || tail.end - tail.begin > 2 * tail.tables_bytes;
}

Status MoveDown(TargetDevice& device, Workers* workers, const FileTail& tail) {
  INSTAR_ASSIGN_OR_RETURN(const auto change, ImageChange::Open(device, workers));
  MappingChange mapping(*change);
  Status moved = mapping.MoveTablesFrom(tail.begin);
  if (moved) moved = MoveBitmapsFrom(*change, tail.begin);
  if (moved) moved = SnapshotList(*change).MoveFrom(tail.begin);
  if (moved) moved = change->MoveFrom(tail.begin);
  if (moved) moved = change->Commit(/*end=*/tail.end - 1);
  if (!moved) change->Undo();
  return moved;
}

}  // namespace instar::qcow2
