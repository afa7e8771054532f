// VMDK: what it can do.
#ifndef FORMATS_VMDK_FORMAT_H_
#define FORMATS_VMDK_FORMAT_H_

#include <array>

#include "formats/format.h"
#include "formats/vmdk/image_editor.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/writer.h"

namespace instar::vmdk {

// How large a fresh VMDK image would be, all of its files together. Of a streamOptimized image, the
// most that it can take: how far grains compress is known only when they are. The descriptor of a
// divided image holds the name of the target; where that is not given, "disk.vmdk" is counted.
Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options);

// Checks that tables and grains lie in the files, that no two grains overlap, and that the
// redundant tables say what the others do. Like qemu-img's, the result has no counts of clusters.
//
// Grains that follow one another as the disk does, as conversions write them, are told by one pass
// in constant memory. Others take a second one, and 4 bytes for each grain (64 KiB for each GiB).
Result<CheckCounts> Check(const CheckOptions& options);

// The strict profile, of a file that has the format's signature: one file with its descriptor
// inside, and every table down to the grains.
Status Inspect(const Inspection& inspection);

// Whether the file is a text descriptor: "# Disk DescriptorFile", or whatever comments and blank
// lines come before a line "version=N", as qemu-img takes it.
bool StartsDescriptor(std::span<const std::byte> head);

// A sparse extent, one of ESX, and seSparse.
inline constexpr std::array kSignatures = {
    HeadSignature{0, "KDMV"},
    HeadSignature{0, "COWD"},
    HeadSignature{0, {"\xBE\xBA\xFE\xCA\0\0\0\0", 8}},
};

inline constexpr Format kFormat{
    .id = FormatId::kVmdk,
    .signatures = kSignatures,
    .recognises = StartsDescriptor,
    .open = OpenReader,
    .create = CreateWriter,
    .edit = ImageEditor::Open,
    .measure = CreateMeasurer,
    .check = Check,
    .inspect = Inspect,
};

}  // namespace instar::vmdk

#endif  // FORMATS_VMDK_FORMAT_H_
