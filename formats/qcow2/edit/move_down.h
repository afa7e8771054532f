// The second change in place after one that made room: tables at the end of the file move to where
// there is room now, so that the file becomes shorter.
#ifndef FORMATS_QCOW2_EDIT_MOVE_DOWN_H_
#define FORMATS_QCOW2_EDIT_MOVE_DOWN_H_

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/workers.h"
#include "formats/qcow2/edit/image_change.h"

namespace instar::qcow2 {

// Whether to move what is in `tail`: little, or much less than what is free there.
bool IsWorthMoving(const FileTail& tail);

// Moves the tables in `tail`, which are all there is at the end of the file (movable_tail of the
// first change). kNoSpace, with nothing changed, where the file would not become shorter.
Status MoveDown(TargetDevice& device, Workers* workers, const FileTail& tail);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_MOVE_DOWN_H_
