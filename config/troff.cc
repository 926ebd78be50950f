#include "config/troff.h"

namespace outrigger::config {
namespace {

// A line that begins with these is a request, not text.
bool is_control(char c) {
  return c == '.' || c == '\'';
}

// Plain ' - ^ ` ~ come out as typographic characters that nobody can copy into a file.
std::string escaped(char c) {
  switch (c) {
    case '\\':
      return "\\e";
    case '-':
      return "\\-";
    case '\'':
      return "\\(aq";
    case '^':
      return "\\(ha";
    case '~':
      return "\\(ti";
    default:
      return {c};
  }
}

}  // namespace

std::string troff(std::string_view text) {
  std::string out;
  bool is_bold = false;
  bool begins_line = true;
  for (const char c : text) {
    if (begins_line && is_control(c)) out += "\\&";
    begins_line = c == '\n';
    if (c != '`') {
      out += escaped(c);
      continue;
    }
    is_bold = !is_bold;
    out += is_bold ? "\\fB" : "\\fR";
  }
  return out;
}

std::string troff_bold(std::string_view text) {
  return "\\fB" + troff(text) + "\\fR";
}

// Not adjusted and not hyphenated: long lists and values stay what they are.
std::string troff_page(std::string_view name, int section, std::string_view about) {
  std::string title;
  for (const char c : name) title += 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return ".TH " + title + " " + std::to_string(section) +
         " \"\" \"outrigger " OUTRIGGER_VERSION "\"\n.ad l\n.nh\n.SH NAME\n" + troff(name) +
         " \\- " + troff(about) + "\n";
}

std::string troff_item(const std::string& item, const std::string& text) {
  return ".TP\n" + item + "\n" + text + "\n";
}

}  // namespace outrigger::config
