// Unmaps the program's own text and constants, its libraries' too; what is run or read again comes
// back by itself.
//
// Linking and reading a configuration touch megabytes that serving never does. They would count as
// resident for good, and as in use when the kernel looks for memory. The page cache keeps them:
// coming back is a minor fault for each sixteen pages, no read. What a debugger wrote into the text
// is gone too: breakpoints that were set before, until it stops the program the next time.
#pragma once

namespace outrigger {

void give_back_cold_pages();

}  // namespace outrigger
