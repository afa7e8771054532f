// The planners: each runs one verb against a Host, to its end. They are what the guest images call,
// and what a program that embeds the pure library calls.
#ifndef INSTAR_VERBS_H_
#define INSTAR_VERBS_H_

#include "formats/base/error.h"
#include "instar/host.h"
#include "instar/requests.h"
#include "instar/result_records.h"

namespace instar {

// Tells of each image of the chain (records.h). Keys per image: "device" (unsigned), "format",
// "virtual-size", "cluster-size", "backing-filename", "backing-filename-format", "snapshots",
// "encrypted", "dirty-flag", "format-specific"; optional keys are absent as in qemu-img's JSON.
// What only the host knows (file name, actual size) the host adds.
Status RunInfo(Host& host, const InfoRequest& request);

// Judges one image by the strict profile (formats/inspect.h); no file that it names is opened.
// Tells a StrictRecord.
Status RunInspect(Host& host, const InspectRequest& request);

// Makes an empty image. The target is touched only after the backing file has opened and every
// option is checked. Of the backing file nothing but its own bytes is read. Without a seed the
// identities of the image follow from its format, options, size, name and backing file. Tells a
// CreateRecord.
Status RunCreate(Host& host, const CreateRequest& request);

// Calculates how long the file would be that RunConvert or RunCreate writes. Tells a MeasureRecord.
Status RunMeasure(Host& host, const MeasureRequest& request);

// Writes the virtual disk of the sources to the target. The target is touched only after every
// source has opened and every option is checked. Its content does not depend on the number of
// workers. Without a seed the identities of the target follow from the content of the virtual disk,
// which is read once more for that. Tells a ConvertRecord if there is anything in it.
Status RunConvert(Host& host, const ConvertRequest& request);

// Tells of every stretch of the virtual disk in [start, start + max_length), cut at its end, what
// holds it: map_records.h. Neighbours that qemu-img would show as one come as one.
Status RunMap(Host& host, const MapRequest& request);

// Compares two virtual disks to the end of the longer one; what one lacks counts as zeros. The
// lowest difference counts, whatever the number of workers. Tells a CompareRecord, if both images
// open. With kMapUnreadable and kDataUnreadable it then fails.
Status RunCompare(Host& host, const CompareRequest& request);

// Checks one image's own metadata; no file that it names is opened. Tells any number of
// FindingRecords and ReadingRecords, and at the end a CheckRecord.
Status RunCheck(Host& host, const CheckRequest& request);

}  // namespace instar

#endif  // INSTAR_VERBS_H_
