// Any format, options, size and places of data, measured: what is required is never more than what
// a full disk takes, more data never takes less, and the figures do not depend on how the data was
// told.
//
// An input is a format, four bytes of the number of sectors and one by which they are shifted, the
// length of the option list and the list; then pairs of a gap and a run of data, two bytes each.
#ifndef FUZZ_MEASURE_FUZZ_H_
#define FUZZ_MEASURE_FUZZ_H_

#include <optional>
#include <string_view>

#include "budgeted_device.h"
#include "formats/base/checked.h"
#include "formats/base/create_options.h"
#include "formats/base/endian.h"
#include "formats/measure.h"

namespace instar::fuzz {

struct Measured {
  CreateOptionList list;
  CreateOptions options;
  std::span<const std::byte> runs;
};

inline std::optional<Measured> ReadMeasured(std::span<const std::byte> input) {
  constexpr std::size_t kFixedBytes = 7;
  if (input.size() < kFixedBytes) return std::nullopt;
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint8_t>(input[at]); };
  const std::size_t list = std::min<std::size_t>(byte(6), input.size() - kFixedBytes);
  Measured measured;
  measured.options.format = kFormatProperties[byte(0) % kFormatProperties.size()].id;
  measured.options.virtual_size_bytes = (std::uint64_t{LoadLe32(input, 1)} << (byte(5) % 23)) * 512;
  const auto text = input.subspan(kFixedBytes, list);
  auto read = CreateOptionList::Read(measured.options.format,
                                     {reinterpret_cast<const char*>(text.data()), text.size()});
  if (!read) return std::nullopt;
  measured.list = *std::move(read);
  measured.options.options = measured.list.settings();
  measured.runs = input.subspan(kFixedBytes + list);
  return measured;
}

// Tells `measurer` the runs of data, each in `pieces`; the units of gaps and runs are `unit` bytes.
inline bool TellRuns(ImageMeasurer& measurer, const Measured& measured, std::uint64_t unit,
                     std::uint64_t pieces) {
  const std::uint64_t size = measured.options.virtual_size_bytes;
  std::uint64_t at = 0;
  for (std::span<const std::byte> runs = measured.runs; runs.size() >= 4; runs = runs.subspan(4)) {
    const std::uint64_t gap = std::uint64_t{LoadLe16(runs, 0)} * unit;
    if (gap >= size - at) break;
    at += gap;
    const std::uint64_t end =
        at + std::min<std::uint64_t>(size - at, std::uint64_t{LoadLe16(runs, 2)} * unit);
    const std::uint64_t piece = (end - at) / pieces / 512 * 512;
    for (std::uint64_t i = 1; i < pieces && piece != 0; ++i, at += piece) {
      if (!measurer.AddData(at, piece)) return false;
    }
    if (end > at && !measurer.AddData(at, end - at)) return false;
    at = end;
    if (at == size) break;
  }
  return true;
}

enum class Fill { kNothing, kRuns, kRunsInPieces, kEverything };

inline std::optional<Measurement> Measure(const Measured& measured, std::uint64_t unit, Fill fill) {
  const auto measurer = MeasureImage(measured.options);
  if (!measurer) {
    Require(measurer.error().code != ErrorCode::kIo, "nothing is read");
    return std::nullopt;
  }
  const std::uint64_t size = measured.options.virtual_size_bytes;
  const bool told = fill == Fill::kNothing        ? true
                    : fill == Fill::kRuns         ? TellRuns(**measurer, measured, unit, 1)
                    : fill == Fill::kRunsInPieces ? TellRuns(**measurer, measured, unit, 3)
                    : size == 0                   ? true
                                                  : (*measurer)->AddData(0, size).has_value();
  if (!told) return std::nullopt;
  const auto measurement = (*measurer)->Finish();
  if (!measurement) return std::nullopt;
  Require(measurement->required_bytes <= measurement->fully_allocated_bytes,
          "data takes no more than a full disk");
  Require(measurement->fully_allocated_bytes <= std::uint64_t{INT64_MAX},
          "a file is no longer than files can be");
  return *measurement;
}

inline void FuzzMeasure(std::span<const std::byte> input) {
  const auto measured = ReadMeasured(input);
  if (!measured) return;
  for (const std::uint64_t unit : {std::uint64_t{512}, std::uint64_t{1} << 20}) {
    const auto nothing = Measure(*measured, unit, Fill::kNothing);
    const auto runs = Measure(*measured, unit, Fill::kRuns);
    const auto pieces = Measure(*measured, unit, Fill::kRunsInPieces);
    const auto everything = Measure(*measured, unit, Fill::kEverything);
    if (!nothing || !runs || !pieces || !everything) continue;
    Require(nothing->required_bytes <= runs->required_bytes &&
                runs->required_bytes <= everything->required_bytes,
            "more data takes no less");
    Require(runs->required_bytes == pieces->required_bytes,
            "it does not matter in how many pieces data is told");
    Require(nothing->fully_allocated_bytes == everything->fully_allocated_bytes,
            "a full disk takes the same whatever is on it");
  }
}

}  // namespace instar::fuzz

#endif  // FUZZ_MEASURE_FUZZ_H_
