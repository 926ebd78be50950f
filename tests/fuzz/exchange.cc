// Whole exchanges between scripted callers and upstreams, through the real connections, exchange
// and clusters, on sockets and on a clock moved by hand. The input is the script:
//
//   step ~ step ~ …      a step: its letter, a digit, and what is said. After it everything comes
//                        to rest; `+` before the letter: not so, the next step follows at once.
//   cN… uN…   caller N (of three; connects at its first word), or the Nth newest connection to an
//             upstream, says the rest of the step
//   bN BN     … says 32 KiB of `x`
//   fN FN     … says no more            xN XN   … is gone: with a reset, where it has not read all
//   hN HN     … stops reading, or reads on
//   tN        time passes: kSteps[N]    dN      upstream N listens no more, or again
//   q0        the proxy drains          z0      … is destroyed, with all that is under way
//
// What must hold: the upstreams see requests that a strict reader takes, each as a caller has sent
// it, and no more of them than tries were begun; who asks is answered; a response that looks whole
// to a caller is one that an upstream has sent, or the proxy's own; each exchange ends once; and
// when the callers are gone every place and byte has come back.
#include <array>
#include <cstdio>
#include <filesystem>
#include <set>

#include "config/load.h"
#include "proxy/base/log.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/hand_clock.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/sidecar.h"
#include "tests/fuzz/transcript.h"

namespace outrigger::fuzz {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view kConfig = R"(
overload: {max_buffered_bytes: 256KiB}
local_replies: {format: json}
defaults:
  route: {timeouts: {request: 4s, idle: 2s, tunnel_idle: 3s}}
  upstream: {timeouts: {connect: 1s, idle: 2s}}
listeners:
- address: 'unix:${DIR}/front'
  via: on
  upgrades: [websocket]
  limits: {max_body_bytes: 512KiB, max_requests_per_connection: 8}
  timeouts: {head: 2s, keepalive: 3s, read: 3s, write: 3s}
  routes:
  - name: retried
    match: {path_prefix: /r}
    upstream: two
    timeouts: {per_try: 500ms}
    retry:
      max_retries: 3
      retry_on: [default, per-try-timeout, 429, 503]
      methods: [GET, POST, PUT]
  - {name: hedged, match: {path_prefix: /h}, upstream: two, hedge: {after: 100ms, max: 2}}
  - name: answered
    match: {path_prefix: /f}
    upstream: one
    fallback:
      fallback_on: [circuit-open, timeout, overflow, 5xx]
      respond: {status: 299, body: stale}
  - name: elsewhere
    match: {path_prefix: /g}
    upstream: narrow
    fallback: {fallback_on: [timeout, overflow, connect-failure, 5xx], upstream: one}
  - name: mirrored
    match: {path_prefix: /m}
    upstream: one
    mirror: {upstream: two, percent: 100}
  - name: limited
    match: {path_prefix: /l}
    upstream: narrow
    limits: {max_requests: 2}
    retry: off
  - name: adaptive
    match: {path_prefix: /a}
    upstream: one
    adaptive_concurrency: {min: 1, initial: 1, queue: 1}
  - name: faulty
    match: {path_prefix: /x}
    upstream: one
    fault: {delay: {percent: 100, duration: 50ms}, abort: {percent: 50, status: reset}}
  - name: split
    match: {path_prefix: /s}
    split:
      hash_on: {cookie: {name: cohort, ttl: 1h}}
      to: [{upstream: one, weight: 1}, {upstream: two, weight: 1}]
    response_headers: {set: {x-by: "%{upstream} %{attempt}"}, remove: [server]}
  - name: edited  # the target stays what it was
    match: {path_prefix: /w}
    upstream: one
    rewrite: {path_prefix: /w, host: auto}
    request_headers: {set: {x-id: "%{request_id}"}, add: {via: me}, remove: [x-forwarded-for]}
    circuit_breaker: {consecutive_failures: 2, open_for: 500ms}
  - name: rated
    match: {path_prefix: /k}
    upstream: one
    rate_limit: {requests: 2, per: 1s, key: {header: x-tenant, max_keys: 2}}
  - name: moved
    match: {path_prefix: /d}
    redirect: {status: 308, scheme: https, host: h, path: /}
  - {name: fixed, match: {path_prefix: /o}, respond: {status: 299, body: fixed}}
  - {name: rest, upstream: one}
upstreams:
  one:
    endpoints: ['unix:${DIR}/a']
    circuit_breaker: {consecutive_failures: 4, open_for: 1s}
  two:
    endpoints: ['unix:${DIR}/a', 'unix:${DIR}/b']
    outlier_detection: {consecutive_5xx: 2, base_ejection_time: 1s}
  narrow:
    endpoints: ['unix:${DIR}/b']
    limits: {max_connections: 1, max_pending: 1, pending_timeout: 300ms}
)";

constexpr std::array<Duration, 10> kSteps = {1ms,   5ms, 20ms, 60ms,   110ms,
                                             300ms, 1s,  2s,   3100ms, 5s};
constexpr std::size_t kCallers = 3;
// In seconds: what a caller may ask on one connection, one after another, each till its timeout.
constexpr int kPatience = 60;
constexpr std::size_t kMaxSteps = 64;
constexpr std::size_t kMaxFillers = 24;
constexpr std::size_t kFiller = 32 * 1024;
// Turns of the loop in which something moves; what is said is bounded, so this must be, too.
constexpr int kMaxTurns = 2000;

// Where the sockets are, as long as this program runs.
class Folder {
 public:
  Folder() { INVARIANT(mkdtemp(path_.data())); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = fs::temp_directory_path() / "outrigger-fuzz-XXXXXX";
};

const std::string& folder() {
  static const Folder made;
  return made.path();
}

std::shared_ptr<const config::Config> load() {
  log::configure(log::Level::Error, log::Format::Text);
  auto loaded = config::load_text(kConfig, "fuzz.yaml", {{"DIR", folder()}});
  if (!loaded) std::fputs(config::to_text("fuzz.yaml", loaded.error()).c_str(), stderr);
  INVARIANT(loaded);
  return std::make_shared<const config::Config>(std::move(loaded.value()));
}

std::string key_of(const http::RequestHead& head) {
  return std::string(head.method) + " " + std::string(head.target) + "\n";
}

// A request, and who may answer it how.
struct Asked {
  std::string key;
  bool is_head = false;
  bool upgrade = false;
  bool max_forwards = false;  // may be answered by the proxy
};

Asked asked_of(const http::RequestHead& head) {
  return {.key = key_of(head),
          .is_head = head.is_head,
          .upgrade = !head.upgrade.empty(),
          .max_forwards = head.headers.has(http::Field::MaxForwards)};
}

// A response that came whole.
struct Answer {
  std::string to;  // the request's key; empty: it was closed before it had been read
  int status = 0;
  std::string body;

  auto operator<=>(const Answer&) const = default;
};

// Requests that came whole, and the heads of all, by what must arrive unchanged.
struct Sent {
  std::set<std::string> heads;
  std::set<std::string> whole;
};

// A caller: says what the script says, and reads strictly what it gets.
struct Caller {
  Caller(int fd, Sent& sent) : peer(fd) {
    said.on_head = [this, &sent](const http::RequestHead& head) {
      asked.push_back(asked_of(head));
      excused = excused || head.target.starts_with("/x");
      sent.heads.insert(asked.back().key);
    };
    said.on_whole = [this, &sent](std::string_view body) {
      sent.whole.insert(asked.back().key + std::string(body));
    };
    got.context = [this] {
      const Asked now = answered();
      return http::ResponseContext{.to_head = now.is_head, .upgrade_requested = now.upgrade};
    };
    got.on_head = [this](const http::ResponseHead& head) {
      if (head.informational()) return;
      const Asked now = answered();
      closing = !head.keep_alive;
      // Of those that carry no Proxy-Status: `respond`, `redirect` and a tunnel's.
      const bool other = head.status == 299 || head.status == 308 || head.status == 101;
      theirs = !other && !head.headers.find("Proxy-Status") && !now.is_head && !now.max_forwards;
      newest = {.to = now.key, .status = head.status};
    };
    got.on_whole = [this](std::string_view body) {
      newest.body = body;
      if (theirs) whole.push_back(newest);
    };
  }

  // Of the response that is being read: the first unknown one answers what was no request.
  Asked answered() const { return got.messages() < asked.size() ? asked[got.messages()] : Asked{}; }
  void say(std::string_view text) {
    if (peer.say(text)) said.feed(text);
  }
  // Who asks and listens is answered, or told that the connection ends, or sees it break off.
  bool content() const {
    return excused || !peer.ended() || closing || got.messages() >= asked.size() ||
           got.state() != Transcript::State::Between;
  }
  bool pump() {
    std::string bytes;
    const bool moved = peer.pump(bytes);
    got.feed(bytes);
    INVARIANT(!got.broken());
    INVARIANT(got.messages() <= asked.size() + 1);
    return moved;
  }

  Peer peer;
  RequestTranscript said;
  ResponseTranscript got;
  std::vector<Asked> asked;
  std::vector<Answer> whole;  // those that an upstream must have sent
  Answer newest;
  bool theirs = false;
  bool closing = false;  // the newest response says so
  bool excused = false;  // it has not listened, or was meant to get no answer
};

// A connection that an upstream has accepted.
struct Callee {
  explicit Callee(int fd, const Sent& sent) : peer(fd) {
    got.on_head = [this, &sent](const http::RequestHead& head) {
      asked.push_back(asked_of(head));
      INVARIANT(sent.heads.contains(asked.back().key));
      if (may_tunnel()) got.go_raw();
    };
    got.on_whole = [this, &sent](std::string_view body) {
      INVARIANT(sent.whole.contains(asked.back().key + std::string(body)));
    };
  }

  bool may_tunnel() const {
    return !asked.empty() && asked.back().upgrade && said.find(" 101") != std::string::npos;
  }
  void say(std::string_view text) {
    if (peer.say(text)) said.append(text);
  }
  bool pump() {
    std::string bytes;
    const bool moved = peer.pump(bytes);
    if (may_tunnel()) got.go_raw();
    got.feed(bytes);
    INVARIANT(!got.broken());
    return moved;
  }
  // What it has sent whole, knowing now what it was asked.
  void collect(std::set<Answer>& whole) const {
    ResponseTranscript read;
    Answer newest;
    read.context = [&] {
      const bool known = read.messages() < asked.size();
      const Asked now = known ? asked[read.messages()] : Asked{};
      newest.to = now.key;
      return http::ResponseContext{.to_head = now.is_head, .upgrade_requested = now.upgrade};
    };
    read.on_head = [&](const auto& head) { newest.status = head.status; };
    read.on_whole = [&](std::string_view body) {
      newest.body = body;
      whole.insert(newest);
    };
    read.feed(said);
    if (read.state() == Transcript::State::UntilClose) read.on_whole(read.body());
  }

  Peer peer;
  RequestTranscript got{{.max_headers = SIZE_MAX, .max_uri_bytes = SIZE_MAX}};
  std::string said;
  std::vector<Asked> asked;
};

class Play {
 public:
  explicit Play(const std::shared_ptr<const config::Config>& config) : proxy_(config) {}

  void act(std::string_view script);
  void end();

 private:
  bool step(std::string_view step);
  void caller_step(char verb, Caller& caller, std::string_view text);
  void callee_step(char verb, Callee& callee, std::string_view text);
  Caller* caller(std::size_t index, bool connect);
  Callee* callee(std::size_t index);
  void pass(Duration time);
  void rest();
  bool pump();
  void hear_out();
  void excuse_all();
  void check_answers();

  Sent sent_;
  std::array<Door, 2> doors_{Door{folder() + "/a"}, Door{folder() + "/b"}};
  std::array<std::unique_ptr<Caller>, kCallers> callers_;
  std::vector<std::unique_ptr<Callee>> callees_;
  std::vector<std::unique_ptr<Caller>> former_;
  std::size_t fillers_ = 0;
  bool at_rest_ = true;
  bool destroyed_ = false;
  Sidecar proxy_;
};

void Play::act(std::string_view script) {
  for (std::size_t steps = 0; steps < kMaxSteps && !script.empty() && !destroyed_; ++steps) {
    const auto end = script.find('~');
    at_rest_ = !step(script.substr(0, end));
    if (at_rest_) rest();
    script.remove_prefix(end == std::string_view::npos ? script.size() : end + 1);
  }
}

// True where the next step is to follow at once.
bool Play::step(std::string_view step) {
  const bool at_once = step.starts_with('+');
  if (at_once) step.remove_prefix(1);
  if (step.size() < 2) return at_once;
  const char verb = step[0];
  const auto digit = static_cast<std::size_t>(static_cast<unsigned char>(step[1])) % 16 % 10;
  const std::string_view text = step.substr(2);
  switch (verb) {
    case 't':
      pass(kSteps[digit]);
      if (at_once || !at_rest_) excuse_all();  // a connection may end as a request comes
      break;
    case 'd':
      doors_[digit % doors_.size()].toggle();
      break;
    case 'q':
      proxy_.drain();
      break;
    case 'z':
      proxy_.destroy();
      destroyed_ = true;
      excuse_all();
      break;
    default:
      const bool of_caller = verb >= 'a';
      if (of_caller) {
        if (auto* one = caller(digit % kCallers, verb == 'c')) caller_step(verb, *one, text);
      } else if (auto* one = callee(digit)) {
        callee_step(verb, *one, text);
      }
  }
  return at_once;
}

void Play::caller_step(char verb, Caller& caller, std::string_view text) {
  caller.excused = caller.excused || verb == 'f' || verb == 'h';
  switch (verb) {
    case 'c':
      return caller.say(text);
    case 'b':
      return ++fillers_ <= kMaxFillers ? caller.say(std::string(kFiller, 'x')) : void();
    case 'f':
      return caller.peer.half_close();
    case 'x':
      return caller.peer.close();
    case 'h':
      return caller.peer.toggle_reading();
    default:
      return;
  }
}

void Play::callee_step(char verb, Callee& callee, std::string_view text) {
  switch (verb) {
    case 'U':
      return callee.say(text);
    case 'B':
      return ++fillers_ <= kMaxFillers ? callee.say(std::string(kFiller, 'x')) : void();
    case 'F':
      return callee.peer.half_close();
    case 'X':
      return callee.peer.close();
    case 'H':
      return callee.peer.toggle_reading();
    default:
      return;
  }
}

// Null where it has no connection; a new one where it shall `connect` and the old is over.
Caller* Play::caller(std::size_t index, bool connect) {
  auto& place = callers_[index];
  if (place && (!connect || (place->peer.open() && !place->peer.ended()))) return place.get();
  if (!connect) return nullptr;
  const auto fd = Peer::connect(folder() + "/front");
  if (!fd) return nullptr;
  if (place) former_.push_back(std::move(place));
  place = std::make_unique<Caller>(*fd, sent_);
  return place.get();
}

// Counted from the newest that is open.
Callee* Play::callee(std::size_t index) {
  for (auto at = callees_.rbegin(); at != callees_.rend(); ++at) {
    if ((*at)->peer.open() && index-- == 0) return at->get();
  }
  return nullptr;
}

void Play::pass(Duration time) {
  move_clock(time);
  proxy_.tick();
}

void Play::rest() {
  int turns = 0;
  for (int quiet = 0; quiet < 2; quiet = pump() ? 0 : quiet + 1) {
    proxy_.turn();
    INVARIANT(++turns < kMaxTurns);
  }
}

bool Play::pump() {
  bool moved = false;
  for (Door& door : doors_) {
    while (const auto fd = door.accept()) {
      callees_.push_back(std::make_unique<Callee>(*fd, sent_));
      moved = true;
    }
  }
  for (auto& callee : callees_) moved = callee->pump() || moved;
  for (auto& caller : callers_) moved = (caller && caller->pump()) || moved;
  return moved;
}

void Play::hear_out() {
  for (auto& caller : callers_) {
    if (caller) caller->peer.read_again();
  }
  for (auto& callee : callees_) callee->peer.read_again();
}

void Play::excuse_all() {
  for (auto& caller : callers_) {
    if (caller) caller->excused = true;
  }
}

// Whoever waits for something gets it, or hears that its time is over.
void Play::end() {
  rest();
  if (!destroyed_) {
    for (int i = 0; i < kPatience && (i < 6 || proxy_.busy()); ++i) {
      pass(1s);
      if (i == 4) hear_out();
      rest();
    }
    proxy_.check_quiet();
  }
  hear_out();
  for (int i = 0; i < 2; ++i) rest();
  check_answers();
  if (destroyed_) return;
  for (auto& caller : former_) caller->peer.close();  // that is all now
  rest();
  pass(3s);
  rest();
  proxy_.check_empty();
}

void Play::check_answers() {
  std::size_t requests = 0;
  std::set<Answer> whole;
  for (const auto& callee : callees_) {
    requests += callee->got.messages();
    callee->collect(whole);
  }
  INVARIANT(requests <= proxy_.heard().tries);
  for (auto& caller : callers_) {
    if (caller) former_.push_back(std::move(caller));
  }
  for (const auto& caller : former_) {
    INVARIANT(caller->content());
    for (Answer& answer : caller->whole) {
      const bool known = whole.contains(answer);
      answer.to.clear();
      INVARIANT(known || whole.contains(answer));
    }
  }
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger::fuzz;
  static const auto config = load();
  set_clock(outrigger::TimePoint{std::chrono::hours(1)});
  Play play(config);
  play.act(text_of(data, size));
  play.end();
  return 0;
}
