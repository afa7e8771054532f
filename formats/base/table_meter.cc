#include "formats/base/table_meter.h"

#include "formats/base/checked.h"

namespace instar {

Result<FileRun> TableMeter::RunAt(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= device_->size_bytes()) return FileRun{.length_bytes = max_length, .hole = true};
  return runs_.At(*device_, offset, max_length);
}

Result<bool> TableMeter::IsHole(std::uint64_t offset, std::uint64_t bytes) {
  if (bytes == 0) return false;
  INSTAR_ASSIGN_OR_RETURN(const FileRun run, RunAt(offset, bytes));
  // Nothing follows the hole at the end of a file.
  return run.hole &&
         (run.length_bytes == bytes || offset + run.length_bytes == device_->size_bytes());
}

Result<bool> TableMeter::Allows(std::uint64_t walked) {
  if (walked <= allowed_) return true;
  const std::uint64_t wanted =
      DivideRoundUp(walked - allowance_.free_bytes, allowance_.per_stored_byte);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t stored, stored_.CountUpTo(*device_, wanted));
  const auto for_stored = CheckedMul(stored, allowance_.per_stored_byte);
  allowed_ =
      for_stored ? CheckedAdd(*for_stored, allowance_.free_bytes).value_or(UINT64_MAX) : UINT64_MAX;
  return walked <= allowed_;
}

std::unexpected<Error> TableMeter::TooMuch(std::uint64_t walked) const {
  return OverLimit(
      "the tables of the image take {0} bytes up to here, more than what its file stores can "
      "describe: the same tables are used again and again",
      walked);
}

Status TableMeter::Count(std::uint64_t bytes) {
  const std::uint64_t walked = CheckedAdd(walked_, bytes).value_or(UINT64_MAX);
  INSTAR_ASSIGN_OR_RETURN(const bool allowed, Allows(walked));
  if (!allowed) return TooMuch(walked);
  walked_ = walked;
  return {};
}

Status TableMeter::Charge(std::uint64_t bytes) {
  const Status counted = Count(bytes);
  if (counted || counted.error().code != ErrorCode::kLimit || looks_for_holes_) return counted;
  looks_for_holes_ = true;
  walked_ = 0;
  return Count(bytes);
}

Result<bool> TableMeter::Visit(std::uint64_t offset, std::uint64_t bytes) {
  if (looks_for_holes_) {
    INSTAR_ASSIGN_OR_RETURN(const bool hole, IsHole(offset, bytes));
    if (hole) return true;
  }
  INSTAR_TRY(Charge(bytes));
  return looks_for_holes_ ? IsHole(offset, bytes) : false;
}

Result<bool> TableMeter::Visit(std::uint64_t index, std::uint64_t offset, std::uint64_t bytes) {
  if (index == last_) return looks_for_holes_ ? IsHole(offset, bytes) : false;
  if (index < last_) Restart();
  INSTAR_ASSIGN_OR_RETURN(const bool hole, Visit(offset, bytes));
  last_ = index;
  return hole;
}

}  // namespace instar
