// VHDX ([MS-VHDX]): what it can do.
#ifndef FORMATS_VHDX_FORMAT_H_
#define FORMATS_VHDX_FORMAT_H_

#include <array>

#include "formats/format.h"
#include "formats/vhdx/image_editor.h"
#include "formats/vhdx/writer.h"

namespace instar::vhdx {

// Opens fixed, dynamic and differencing disks, with or without a log to be replayed: decodes and
// validates header, log, regions and metadata; of the block allocation table nothing is read.
// `device` must outlive the reader. kCorrupt, kUnsupported, kLimit, kIo.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

// How large a fresh VHDX would be. Errors as Writer::Create.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

// As CheckImage: checker.cc says what is looked at.
Result<CheckCounts> Check(const CheckOptions& options);

// The strict profile, of a file that has the format's signature: header, log, regions, metadata,
// and every block of the table.
Status Inspect(const Inspection& inspection);

inline constexpr std::array kSignatures = {HeadSignature{0, "vhdxfile"}};

inline constexpr Format kFormat{
    .id = FormatId::kVhdx,
    .signatures = kSignatures,
    .open = OpenReader,
    .create = Writer::Create,
    .edit = ImageEditor::Open,
    .measure = CreateMeasurer,
    .check = Check,
    .inspect = Inspect,
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_FORMAT_H_
