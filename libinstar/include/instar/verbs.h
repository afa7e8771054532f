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

// Makes an empty image. The target is touched only after the backing file has opened and every
// option is checked. Of the backing file nothing but its own bytes is read.
Status RunCreate(Host& host, const CreateRequest& request);

// Calculates how long the file would be that RunConvert or RunCreate writes.
Status RunMeasure(Host& host, const MeasureRequest& request);

// Writes the virtual disk of the sources to the target. The target is touched only after every
// source has opened and every option is checked. Its content does not depend on the number of
// workers. With `salvage`, if anything could not be read, one report: an object "salvage" with
// "unreadable-ranges", "unreadable-bytes" and "first-offset".
Status RunConvert(Host& host, const ConvertRequest& request);

}  // namespace instar

#endif  // INSTAR_VERBS_H_
