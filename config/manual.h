// The manual page outrigger.yaml(5), made from the descriptions of the keys as the reference is.
#pragma once

#include <string>

namespace outrigger::config {

std::string manual();

}  // namespace outrigger::config
