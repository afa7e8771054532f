#include "formats/base/table_reuse_limit.h"

#include "formats/base/checked.h"

namespace instar {

Result<FileRun> TableReuseLimit::RunAt(std::uint64_t offset, std::uint64_t max_length) {
  if (offset >= device_->size_bytes()) return FileRun{.length_bytes = max_length, .hole = true};
  return runs_.At(*device_, offset, max_length);
}

Result<std::uint64_t> TableReuseLimit::DataBytes(std::uint64_t offset, std::uint64_t bytes) {
  std::uint64_t data = 0;
  for (std::uint64_t at = 0; at < bytes;) {
    INSTAR_ASSIGN_OR_RETURN(const FileRun run, RunAt(offset + at, bytes - at));
    if (!run.hole) data += run.length_bytes;
    at += run.length_bytes;
  }
  return data;
}

Result<bool> TableReuseLimit::Allows(std::uint64_t walked) {
  if (walked <= allowed_) return true;
  const std::uint64_t wanted =
      DivideRoundUp(walked - allowance_.free_bytes, allowance_.per_stored_byte);
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t stored, stored_.CountUpTo(*device_, wanted));
  const auto for_stored = CheckedMul(stored, allowance_.per_stored_byte);
  allowed_ =
      for_stored ? CheckedAdd(*for_stored, allowance_.free_bytes).value_or(UINT64_MAX) : UINT64_MAX;
  return walked <= allowed_;
}

std::unexpected<Error> TableReuseLimit::TooMuch(std::uint64_t walked) const {
  return OverLimit(
      "the tables of the image take {0} bytes up to here, more than what its file stores can "
      "describe: the same tables are used again and again",
      walked);
}

Status TableReuseLimit::Count(std::uint64_t bytes) {
  const std::uint64_t walked = CheckedAdd(walked_, bytes).value_or(UINT64_MAX);
  INSTAR_ASSIGN_OR_RETURN(const bool allowed, Allows(walked));
  if (!allowed) return TooMuch(walked);
  walked_ = walked;
  return {};
}

// Whether `counted` is a limit that looking for holes may lift.
bool TableReuseLimit::BeginsToLook(const Status& counted) {
  if (counted || counted.error().code != ErrorCode::kLimit || looks_for_holes_) return false;
  looks_for_holes_ = true;
  walked_ = 0;
  return true;
}

Status TableReuseLimit::Charge(std::uint64_t bytes) {
  const Status counted = Count(bytes);
  return BeginsToLook(counted) ? Count(bytes) : counted;
}

Result<bool> TableReuseLimit::Visit(std::uint64_t offset, std::uint64_t bytes) {
  if (!looks_for_holes_) {
    const Status counted = Count(bytes);
    if (counted) return false;
    if (!BeginsToLook(counted)) return std::unexpected(counted.error());
  }
  INSTAR_ASSIGN_OR_RETURN(const std::uint64_t data, DataBytes(offset, bytes));
  INSTAR_TRY(Count(data));
  return data == 0 && bytes != 0;
}

Result<bool> TableReuseLimit::Visit(std::uint64_t index, std::uint64_t offset,
                                    std::uint64_t bytes) {
  if (index == last_) {
    if (!looks_for_holes_) return false;
    INSTAR_ASSIGN_OR_RETURN(const std::uint64_t data, DataBytes(offset, bytes));
    return data == 0 && bytes != 0;
  }
  if (index < last_) Restart();
  INSTAR_ASSIGN_OR_RETURN(const bool hole, Visit(offset, bytes));
  last_ = index;
  return hole;
}

}  // namespace instar
