// The partition table at the start of a raw disk, for reports. Nothing of it decides how the disk
// is read.
//
// MBR: the four primary entries of the first sector. GPT: UEFI specification 2.10, 5.3, told from
// the primary header alone; its checksums are verified. Sectors of 512 bytes.
#ifndef FORMATS_RAW_PARTITION_TABLE_H_
#define FORMATS_RAW_PARTITION_TABLE_H_

#include "formats/base/block_device.h"
#include "formats/base/report_sink.h"

namespace instar::raw {

inline constexpr std::uint32_t kMaxReportedPartitions = 128;

// Tells `sink` an object called "partition-table" if the disk that begins at `start_bytes` of the
// file has one: "type" ("mbr" or "gpt") and "partitions", each with "number" (from 1), "start" and
// "length" in bytes, "type" (MBR: two hexadecimal digits; GPT: the GUID). Tells nothing of a disk
// without a table. kIo if the disk cannot be read.
Status DescribePartitions(const BlockDevice& device, std::uint64_t start_bytes, ReportSink& sink);

}  // namespace instar::raw

#endif  // FORMATS_RAW_PARTITION_TABLE_H_
