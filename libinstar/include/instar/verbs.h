// The planners: each runs one verb against a Host, to its end. They are what the guest images call,
// and what a program that embeds the pure library calls.
#ifndef INSTAR_VERBS_H_
#define INSTAR_VERBS_H_

#include "formats/base/error.h"
#include "instar/host.h"
#include "instar/requests.h"

namespace instar {

// Reports each image of the chain (report.h). Keys per image: "device" (unsigned), "format",
// "virtual-size", "cluster-size", "backing-filename", "backing-filename-format", "snapshots",
// "encrypted", "dirty-flag", "format-specific"; optional keys are absent as in qemu-img's JSON.
// What only the host knows (file name, actual size) the host adds.
Status RunInfo(Host& host, const InfoRequest& request);

// Judges one image by the strict profile (formats/inspect.h); no file that it names is opened.
// Emits an object with "reasons", an array of objects: "code" (a ReasonCode of
// formats/base/reasons.h), "offset", "message" and "n0" to "n2" as in Error. It is empty if the
// image passes.
Status RunInspect(Host& host, const InspectRequest& request);

// Makes an empty image. The target is touched only after the backing file has opened and every
// option is checked. Of the backing file nothing but its own bytes is read. Without a seed the
// identities of the image follow from its format, options, size, name and backing file.
Status RunCreate(Host& host, const CreateRequest& request);

// Calculates how long the file would be that RunConvert or RunCreate writes.
Status RunMeasure(Host& host, const MeasureRequest& request);

// Writes the virtual disk of the sources to the target. The target is touched only after every
// source has opened and every option is checked. Its content does not depend on the number of
// workers. Without a seed the identities of the target follow from the content of the virtual disk,
// which is read once more for that. With `salvage`, if anything could not be read, one report: an
// object "salvage" with "unreadable-ranges", "unreadable-bytes" and "first-offset".
Status RunConvert(Host& host, const ConvertRequest& request);

// Tells of every stretch of the virtual disk in [start, start + max_length), cut at its end, what
// holds it: map_records.h. Neighbours that qemu-img would show as one come as one.
Status RunMap(Host& host, const MapRequest& request);

// Compares two virtual disks to the end of the longer one; what one lacks counts as zeros. The
// lowest difference counts, whatever the number of workers. Emits an object, if both images open:
// "first-size" and "second-size" (bytes), "verdict" (CompareVerdict), and for all but kIdentical
// and kSizesDiffer "offset", where on the disk. With kMapUnreadable and kDataUnreadable RunCompare
// then fails.
enum class CompareVerdict : std::uint32_t {
  kIdentical = 0,
  kContentDiffers = 1,     // "offset" is that of the sector of 512 bytes
  kSizesDiffer = 2,        // strict only
  kAllocationDiffers = 3,  // strict only
  kMapUnreadable = 4,
  kDataUnreadable = 5,
};
Status RunCompare(Host& host, const CompareRequest& request);

// Checks one image's own metadata; no file that it names is opened. Emits objects, told apart by
// their first key: any number of "finding" (a FindingKind of formats/check.h) with "message" and
// "n0" to "n2" as in Error, of "reading" (so many bytes read so far: the sign of life of a long
// check), and at the end one "format" with what was counted, under qemu-img's keys; of these, what
// the format does not count is absent. For formats without a check that object has "format" alone.
Status RunCheck(Host& host, const CheckRequest& request);

}  // namespace instar

#endif  // INSTAR_VERBS_H_
