#include "formats/vhdx/writer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/unique_id.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/metadata.h"
#include "formats/vhdx/region_table.h"

namespace instar::vhdx {
namespace {

constexpr std::uint64_t kMaxUnitBytes = 2 * kMebibyte;
constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};

}  // namespace

Result<std::unique_ptr<ImageWriter>> Writer::Create(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const WriterOptions parsed, WriterOptions::From(options));
  return std::unique_ptr<ImageWriter>(new Writer(parsed, *options.target));
}

Writer::Writer(const WriterOptions& options, TargetDevice& target)
    : options_(options),
      target_(&target),
      bat_(target, options.bat_offset(), options.bat(),
           options.block_state_zero ? BlockState::kZero : BlockState::kNotPresent) {
  SetIdentity({});
}

void Writer::SetIdentity(const IdentitySeed& seed) {
  UniqueIdSource ids("vhdx", seed);
  file_write_id_ = GuidOf(ids.Next());
  data_write_id_ = GuidOf(ids.Next());
  disk_id_ = GuidOf(ids.Next());
}

std::uint64_t Writer::unit_bytes() const { return std::min(options_.block_bytes, kMaxUnitBytes); }

Status Writer::Begin() {
  const std::uint64_t structures = options_.BlockOffset(0);
  if (!target_->fresh_reads_zero()) return target_->Zero(0, structures);
  INSTAR_TRY(target_->Resize(0, Preallocation::kOff));
  // A size that the target cannot have is better known now than at the end.
  if (!options_.fixed) return target_->Resize(structures, Preallocation::kOff);
  return target_->Resize(options_.BlockOffset(options_.bat().blocks()), options_.preallocation);
}

Status Writer::TakeBlock(std::uint64_t block) {
  const std::uint64_t offset = options_.BlockOffset(taken_);
  if (!target_->fresh_reads_zero()) INSTAR_TRY(target_->Zero(offset, options_.block_bytes));
  INSTAR_TRY(bat_.Place(block, offset));
  ++taken_;
  open_block_ = block;
  return {};
}

Status Writer::OpenBlock(std::uint64_t block) {
  if (open_block_ == block) return {};
  if (open_block_ != kNoBlock && block < open_block_) {
    return InvalidArgument("block {0} lies before block {1}, which is already placed", block,
                           open_block_);
  }
  while (options_.fixed && taken_ < block) INSTAR_TRY(TakeBlock(taken_));
  return TakeBlock(block);
}

Result<Placement> Writer::PlaceData(std::uint64_t offset, std::uint64_t length) {
  INSTAR_TRY(CheckOnDisk(offset, length, options_.virtual_bytes));
  INSTAR_TRY(OpenBlock(offset / options_.block_bytes));
  const std::uint64_t in_block = offset % options_.block_bytes;
  return Placement{.device = target_->id(),
                   .file_offset = options_.BlockOffset(taken_ - 1) + in_block,
                   .length_bytes = std::min(length, options_.block_bytes - in_block)};
}

// What has no place reads as zeros; so does what a placed block was not given.
Status Writer::PlaceZero(std::uint64_t, std::uint64_t) { return {}; }

Status Writer::WriteMetadata() {
  const Metadata metadata{.block_bytes = static_cast<std::uint32_t>(options_.block_bytes),
                          .fixed = options_.fixed,
                          .virtual_bytes = options_.virtual_bytes,
                          .disk_id = disk_id_,
                          .logical_sector_bytes = options_.sector_bytes,
                          .physical_sector_bytes = options_.sector_bytes};
  std::vector<std::byte> bytes(Metadata::kEncodedBytes);
  metadata.EncodeTo(bytes);
  return target_->Write(options_.metadata_offset(), bytes);
}

Status Writer::WriteHeaderSection() {
  std::vector<std::byte> table(kTableBytes);
  RegionTable{.bat = {options_.bat_offset(), options_.bat_bytes()},
              .metadata = {options_.metadata_offset(), kMebibyte}}
      .EncodeTo(table);
  Header header{.sequence_number = 1,
                .file_write_id = file_write_id_,
                .data_write_id = data_write_id_,
                .log_bytes = static_cast<std::uint32_t>(options_.log_bytes),
                .log_offset = options_.log_offset()};
  std::vector<std::byte> first(Header::kBytes);
  header.EncodeTo(first);
  header.sequence_number = 2;
  std::vector<std::byte> second(Header::kBytes);
  header.EncodeTo(second);
  const std::array pieces = {WritePiece{.offset = kRegionTable1Offset, .data = table},
                             WritePiece{.offset = kRegionTable2Offset, .data = table},
                             WritePiece{.offset = kHeader1Offset, .data = first},
                             WritePiece{.offset = kHeader2Offset, .data = second}};
  INSTAR_TRY(target_->WriteAll(pieces));
  INSTAR_TRY(target_->Flush());

  std::vector<std::byte> identifier(FileIdentifier::kBytes);
  kFileIdentifierFields.Encode(FileIdentifier{}, identifier);
  INSTAR_TRY(target_->Write(0, identifier));
  return target_->Flush();
}

Status Writer::Finish() {
  while (options_.fixed && taken_ < options_.bat().blocks()) INSTAR_TRY(TakeBlock(taken_));
  INSTAR_TRY(bat_.Finish());
  INSTAR_TRY(WriteMetadata());
  if (target_->fresh_reads_zero()) {
    INSTAR_TRY(target_->Resize(options_.BlockOffset(taken_), Preallocation::kOff));
  }
  INSTAR_TRY(target_->Flush());
  return WriteHeaderSection();
}

}  // namespace instar::vhdx
