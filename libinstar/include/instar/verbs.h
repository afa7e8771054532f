// The planners: each runs one verb against a Host, to its end. They are what the guest images call,
// and what a program that embeds the pure library calls. There is one for each row of the verb
// table:
//
//   Status RunStem(Host& host, const StemRequest& request);
//
// What it does, and what it tells of its result, stands at its request (requests.h).
#ifndef INSTAR_VERBS_H_
#define INSTAR_VERBS_H_

#include "formats/base/error.h"
#include "instar/host.h"
#include "instar/requests.h"
#include "instar/result_records.h"
#include "instar/verb_table.h"

namespace instar {

#define INSTAR_ROW(name, Stem, ...) Status Run##Stem(Host& host, const Stem##Request& request);
INSTAR_VERBS(INSTAR_ROW)
#undef INSTAR_ROW

}  // namespace instar

#endif  // INSTAR_VERBS_H_
