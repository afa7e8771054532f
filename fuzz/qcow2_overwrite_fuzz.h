// Any bytes as a qcow2 image whose disk is written to, in pieces of all kinds (changed_file.h says
// what is demanded).
#ifndef FUZZ_QCOW2_OVERWRITE_FUZZ_H_
#define FUZZ_QCOW2_OVERWRITE_FUZZ_H_

#include <algorithm>
#include <vector>

#include "changed_file.h"
#include "formats/create.h"

namespace instar::fuzz {

// Writes to the disk up to `end`, as `draw` decides: a number below what it is given.
template <typename Draw>
Status OverwritePieces(ImageWriter& writer, FileInMemory& image, FileInMemory& data_file,
                       std::uint64_t end, bool compress, const Draw& draw) {
  INSTAR_TRY(writer.Begin());
  const std::uint64_t unit = writer.unit_bytes();
  for (std::uint64_t at = 0, pieces = 0; at < end && pieces < 200; ++pieces) {
    const std::uint64_t bytes = std::min(end - at, unit * (1 + draw(5)));
    const std::uint64_t kind = draw(4);
    if (kind == 0) {  // what is passed over keeps its content
      at += bytes;
    } else if (kind == 1) {
      INSTAR_TRY(writer.PlaceZero(at, bytes));
      at += bytes;
    } else if (kind == 2 && compress && end - at >= unit) {
      INSTAR_ASSIGN_OR_RETURN(const Placement place,
                              writer.PlaceCompressed(at, 1 + draw(unit - 1)));
      INSTAR_TRY(image.Write(place.file_offset, std::vector<std::byte>(place.length_bytes)));
      at += unit;
    } else {
      INSTAR_ASSIGN_OR_RETURN(const Placement place, writer.PlaceData(at, bytes));
      Require(place.length_bytes != 0 && place.length_bytes <= bytes, "some of it is placed");
      FileInMemory& file = place.device == image.id() ? image : data_file;
      INSTAR_TRY(
          file.Write(place.file_offset, std::vector<std::byte>(place.length_bytes, std::byte{3})));
      at += place.length_bytes;
    }
  }
  return writer.Finish();
}

inline void FuzzQcow2Overwrite(std::span<const std::byte> input) {
  auto change = SplitInput(input);
  if (!change) return;
  std::uint64_t state = change->wish | 1;
  const auto draw = [&](std::uint64_t most) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % most;
  };
  const auto image = change->image;
  FileInMemory file(image);
  FileInMemory data_file(std::span<const std::byte>{}, DeviceId{2});
  SomeContent content;
  CreateOptions options{.format = FormatId::kQcow2,
                        .virtual_size_bytes = (1 + draw(4096)) * 512,
                        .target = &file,
                        .content = &content,
                        .compress = draw(3) == 0};
  if (change->Next(2) != 0) options.data_file = &data_file;
  Status written;
  {
    const auto writer = OpenForWriting(options);
    written = writer ? OverwritePieces(**writer, file, data_file, options.virtual_size_bytes,
                                       options.compress, draw)
                     : std::unexpected(writer.error());
  }
  RequireOldOrSound(file, image, written);
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_OVERWRITE_FUZZ_H_
