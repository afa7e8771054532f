// VHD, called vpc: what it can do.
#ifndef FORMATS_VPC_FORMAT_H_
#define FORMATS_VPC_FORMAT_H_

#include <array>

#include "formats/format.h"

namespace instar::vpc {

// Opens fixed, dynamic and differencing disks: decodes and validates footer and header; of the
// tables nothing is read. `device` must outlive the reader. kCorrupt, kUnsupported, kLimit, kIo.
Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device);

// A writer of a fresh image, fixed or dynamic; writes nothing yet. kInvalidArgument, kLimit.
Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options);

// A writer into the VHD that options.target holds (convert -n): what is not placed keeps its
// content. kUnsupported for differencing disks, kNoSpace if the disk is smaller than asked for;
// kCorrupt, kIo.
Result<std::unique_ptr<ImageWriter>> OpenEditor(const CreateOptions& options);

// How large a fresh VHD would be. Errors as CreateWriter.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

// As CheckImage: checker.cc says what is looked at.
Result<CheckCounts> Check(const CheckOptions& options);

// The strict profile, of a file that has the format's signature: footer, its copy, dynamic header,
// and every block of the table.
Status Inspect(const Inspection& inspection);

inline constexpr std::array kSignatures = {HeadSignature{0, "conectix"}};

inline constexpr Format kFormat{
    .id = FormatId::kVpc,
    .signatures = kSignatures,
    .open = OpenReader,
    .create = CreateWriter,
    .edit = OpenEditor,
    .measure = CreateMeasurer,
    .check = Check,
    .inspect = Inspect,
};

}  // namespace instar::vpc

#endif  // FORMATS_VPC_FORMAT_H_
