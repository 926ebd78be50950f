// What two keys say together: references, names, pairs that contradict one another.
//
// check_block looks at one block as soon as it is read, with its text at hand, and therefore also
// at the blocks of `defaults`; validate looks at what only the whole file shows.
#pragma once

#include "config/model.h"
#include "config/reader.h"

namespace outrigger::config {

template <class T>
void check_block(Reader&, const Yaml&, const T&) {}
void check_block(Reader& in, const Yaml& node, const HeaderMatch& match);
void check_block(Reader& in, const Yaml& node, const Respond& respond);
void check_block(Reader& in, const Yaml& node, const Backoff& backoff);
void check_block(Reader& in, const Yaml& node, const CircuitBreaker& breaker);
void check_block(Reader& in, const Yaml& node, const OutlierDetection& detection);
void check_block(Reader& in, const Yaml& node, const QueryMatch& match);
void check_block(Reader& in, const Yaml& node, const Redirect& redirect);
void check_block(Reader& in, const Yaml& node, const HashOn& on);
void check_block(Reader& in, const Yaml& node, const Split& split);
void check_block(Reader& in, const Yaml& node, const Fallback& fallback);
void check_block(Reader& in, const Yaml& node, const AdaptiveConcurrency& adaptive);
void check_block(Reader& in, const Yaml& node, const Fault& fault);
void check_block(Reader& in, const Yaml& node, const Rewrite& rewrite);
void check_block(Reader& in, const Yaml& node, const HeaderChanges& changes);
void check_block(Reader& in, const Yaml& node, const HttpHealthCheck& check);
void check_block(Reader& in, const Yaml& node, const HealthCheck& check);
void check_block(Reader& in, const Yaml& node, const Route& route);

void validate(const Config& config, const Reader& read, Diagnostics& diagnostics);

}  // namespace outrigger::config
