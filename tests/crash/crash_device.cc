#include "crash/crash_device.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace instar::crash {

std::string Step::Describe() const {
  const std::string where = absl::StrFormat("[%#x, %#x) of file %u", offset, offset + length, file);
  switch (kind) {
    case Kind::kWrite:
      return (root ? "write the root (not flushed) " : "write ") + where;
    case Kind::kZero:
      return "zero " + where;
    case Kind::kDiscard:
      return "discard " + where;
    case Kind::kResize:
      return absl::StrFormat("set the length of file %u to %#x", file, offset);
    case Kind::kFlush:
      return absl::StrCat("flush file ", file);
    case Kind::kRoot:
      return "write the root " + where;
  }
  return "";
}

void Apply(const Step& step, SparseFile& file, std::byte discarded) {
  switch (step.kind) {
    case Step::Kind::kWrite:
    case Step::Kind::kRoot:
      file.Write(step.offset, *step.data);
      break;
    case Step::Kind::kZero:
      file.Zero(step.offset, step.length);
      break;
    case Step::Kind::kDiscard:
      file.Spoil(step.offset, step.length, discarded);
      break;
    case Step::Kind::kResize:
      file.Resize(step.offset);
      break;
    case Step::Kind::kFlush:
      break;
  }
}

CrashDevice::CrashDevice(SparseFile file, DeviceId id, Recording& recording, bool fixed_length)
    : file_(std::move(file)),
      id_(id),
      recording_(recording),
      number_(static_cast<unsigned>(recording.start_.size())),
      fixed_length_(fixed_length) {
  recording_.start_.push_back(file_);
  recording_.changes_.push_back(Recording::Change::kNone);
}

bool CrashDevice::Fails() {
  const std::size_t number = recording_.calls_++;
  const Disturbance& what = recording_.disturbance_;
  return number == what.failing_call || (number > what.failing_call && what.fails_for_ever);
}

std::unexpected<Error> CrashDevice::Failure() const {
  return MakeError(recording_.disturbance_.error, "this call was made to fail");
}

Recording::Change CrashDevice::ChangeBy(const Step& step) const {
  using Change = Recording::Change;
  const std::uint64_t bytes = file_.size_bytes();
  if (step.kind == Step::Kind::kResize) {
    return step.offset > bytes ? Change::kLonger : Change::kOther;
  }
  if (step.kind == Step::Kind::kWrite) {
    std::vector<std::byte> before(step.length);
    file_.Read(step.offset, before);
    if (before != *step.data) return Change::kOther;
  } else if (step.kind == Step::Kind::kZero) {
    for (std::uint64_t at = step.offset; at < std::min(step.offset + step.length, bytes);) {
      const FileRun run = file_.NextRun(at, bytes - at);
      if (!run.hole) return Change::kOther;
      at += run.length_bytes;
    }
  } else {
    return Change::kOther;
  }
  return step.offset + step.length > bytes ? Change::kLonger : Change::kNone;
}

void CrashDevice::Record(Step step) {
  step.file = number_;
  if (step.kind != Step::Kind::kFlush) {
    recording_.changes_[number_] = std::max(recording_.changes_[number_], ChangeBy(step));
    Apply(step, file_, recording_.disturbance_.discarded);
  }
  recording_.steps_.push_back(std::move(step));
}

void CrashDevice::RecordWrite(std::uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return;
  Record({.kind = Step::Kind::kWrite,
          .offset = offset,
          .length = data.size(),
          .data = std::make_shared<std::vector<std::byte>>(data.begin(), data.end())});
  const Disturbance& what = recording_.disturbance_;
  if (number_ != 0 || recording_.writes_++ != what.stray_after) return;
  // Other bytes than those that stand there.
  std::vector<std::byte> stray(what.stray_bytes);
  file_.Read(what.stray_offset, stray);
  for (std::size_t i = 0; i < stray.size(); ++i) stray[i] ^= std::byte{0x2D};
  Record({.kind = Step::Kind::kWrite,
          .offset = what.stray_offset,
          .length = stray.size(),
          .data = std::make_shared<std::vector<std::byte>>(std::move(stray))});
}

bool CrashDevice::FlushCounts() {
  const std::size_t number = recording_.flushes_++;
  const Disturbance& what = recording_.disturbance_;
  const Recording::Change change = recording_.changes_[number_];
  if (change == Recording::Change::kNone) {
    recording_.idle_flushes_.push_back(number);
  } else if (change == Recording::Change::kLonger && number_ != 0) {
    recording_.length_flushes_.push_back(number);
  }
  return !what.no_flushes && number != what.lost_flush;
}

Status CrashDevice::Read(std::uint64_t offset, std::span<std::byte> out) const {
  if (recording_.reads_++ == recording_.disturbance_.failing_read) return Failure();
  file_.Read(offset, out);
  return {};
}

Result<std::size_t> CrashDevice::NextRuns(std::uint64_t offset, std::uint64_t max_length,
                                          std::span<FileRun> runs) const {
  runs.front() = file_.NextRun(offset, max_length);
  return std::size_t{1};
}

Status CrashDevice::Write(std::uint64_t offset, std::span<const std::byte> data) {
  if (!HasRoom(offset, data.size())) return MakeError(ErrorCode::kNoSpace, "the disk ends here");
  if (Fails()) {
    if (recording_.disturbance_.half_done) RecordWrite(offset, data.first(data.size() / 2));
    return Failure();
  }
  RecordWrite(offset, data);
  return {};
}

Status CrashDevice::WriteAll(std::span<const WritePiece> pieces) {
  if (pieces.empty()) return {};
  for (const WritePiece& piece : pieces) {
    if (!HasRoom(piece.offset, piece.data.size())) {
      return MakeError(ErrorCode::kNoSpace, "the disk ends here");
    }
  }
  if (Fails()) {
    if (recording_.disturbance_.half_done) {
      for (const WritePiece& piece : pieces.first(pieces.size() / 2)) {
        RecordWrite(piece.offset, piece.data);
      }
    }
    return Failure();
  }
  for (const WritePiece& piece : pieces) RecordWrite(piece.offset, piece.data);
  return {};
}

Status CrashDevice::Resize(std::uint64_t size_bytes, Preallocation) {
  if (fixed_length_) return MakeError(ErrorCode::kDenied, "a disk has the length that it has");
  if (Fails()) {
    const std::uint64_t now = file_.size_bytes();
    if (recording_.disturbance_.half_done && size_bytes > now) {
      Record({.kind = Step::Kind::kResize, .offset = now + (size_bytes - now) / 2});
    }
    return Failure();
  }
  if (size_bytes != file_.size_bytes()) {
    Record({.kind = Step::Kind::kResize, .offset = size_bytes});
  }
  return {};
}

// Storage is reserved before the length changes, so that is set as a whole or not at all.
Status CrashDevice::ResizeRoot(std::uint64_t size_bytes, Preallocation) {
  if (fixed_length_) return MakeError(ErrorCode::kDenied, "a disk has the length that it has");
  if (Fails()) return Failure();
  if (size_bytes != file_.size_bytes()) {
    Record({.kind = Step::Kind::kResize, .offset = size_bytes});
  }
  return Flush();
}

Status CrashDevice::Flush() {
  if (Fails()) return Failure();
  if (!FlushCounts()) return {};
  Record({.kind = Step::Kind::kFlush});
  recording_.changes_[number_] = Recording::Change::kNone;
  return {};
}

Status CrashDevice::Zero(std::uint64_t offset, std::uint64_t length) {
  if (!HasRoom(offset, length)) return MakeError(ErrorCode::kNoSpace, "the disk ends here");
  const bool fails = Fails();
  if (fails && !recording_.disturbance_.half_done) return Failure();
  if (fails) length /= 2;
  if (length != 0) Record({.kind = Step::Kind::kZero, .offset = offset, .length = length});
  if (fails) return Failure();
  return {};
}

Status CrashDevice::WriteRoot(std::uint64_t offset, std::span<const std::byte> data) {
  const bool fails = Fails();
  recording_.root_failed_ = recording_.root_failed_ || fails;
  if (fails && !recording_.disturbance_.half_done) return Failure();
  const bool lasts = FlushCounts() && !fails;
  // Where the flush is left out or has failed, it is a write like any other.
  Record({.kind = lasts ? Step::Kind::kRoot : Step::Kind::kWrite,
          .offset = offset,
          .length = data.size(),
          .data = std::make_shared<std::vector<std::byte>>(data.begin(), data.end()),
          .root = true});
  if (fails) return Failure();
  return {};
}

Status CrashDevice::Discard(std::uint64_t offset, std::uint64_t length) {
  if (Fails()) return Failure();
  if (length != 0) Record({.kind = Step::Kind::kDiscard, .offset = offset, .length = length});
  return {};
}

}  // namespace instar::crash
