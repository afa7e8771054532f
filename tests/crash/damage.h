// Damages a qcow2 image at random: what broken disks, crashes of other programs and bugs leave.
#ifndef TESTS_CRASH_DAMAGE_H_
#define TESTS_CRASH_DAMAGE_H_

#include <random>
#include <string>

#include "crash/sparse_file.h"

namespace instar::crash {

// Damages `image`, which is sound, in one to four places that `random` draws; what was done.
std::string DamageAtRandom(SparseFile& image, std::mt19937_64& random);

}  // namespace instar::crash

#endif  // TESTS_CRASH_DAMAGE_H_
