//===- Journal.cpp - What has been measured so far ------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Journal.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm::tune {

static std::optional<Trial> getTrial(const json::Object &line) {
  Trial trial;
  if (std::optional<double> microseconds = line.getNumber("us")) {
    trial.state = Trial::State::Timed;
    trial.microseconds = *microseconds;
  } else if (std::optional<StringRef> error = line.getString("error")) {
    trial.state = Trial::State::Failed;
    trial.error = error->str();
  } else if (!line.getBoolean("started")) {
    return std::nullopt;
  }
  return trial;
}

Expected<Journal> Journal::open(StringRef path) {
  Journal journal;
  journal.path = path.str();
  if (!sys::fs::exists(path))
    return journal;
  if (!sys::fs::is_regular_file(path))
    return createStringError("'" + path + "' is not a regular file, as the journal must be");
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return createStringError("cannot read '" + path + "': " + buffer.getError().message());
  for (line_iterator line(**buffer); !line.is_at_end(); ++line) {
    Expected<json::Value> value = json::parse(*line);
    if (!value) {
      consumeError(value.takeError()); // a process died while writing it
      continue;
    }
    const json::Object *object = value->getAsObject();
    std::optional<StringRef> problem = object ? object->getString("problem") : std::nullopt;
    std::optional<StringRef> config = object ? object->getString("config") : std::nullopt;
    std::optional<Trial> trial = object ? getTrial(*object) : std::nullopt;
    if (problem && config && trial)
      journal.trials[{problem->str(), config->str()}] = *trial;
  }
  for (auto &[key, trial] : journal.trials)
    if (trial.state == Trial::State::Started) {
      trial.state = Trial::State::Failed;
      trial.error = "ended its process";
    }
  return journal;
}

Error Journal::add(StringRef problem, StringRef config, const Trial &trial) {
  trials[{problem.str(), config.str()}] = trial;
  json::Object line{{"problem", problem}, {"config", config}};
  switch (trial.state) {
  case Trial::State::Started:
    line["started"] = true;
    break;
  case Trial::State::Failed:
    line["error"] = trial.error;
    break;
  case Trial::State::Timed:
    line["us"] = trial.microseconds;
    break;
  }
  std::error_code error;
  raw_fd_ostream os(path, error, sys::fs::CD_OpenAlways, sys::fs::FA_Write, sys::fs::OF_Append);
  if (!error) {
    // An earlier process may have died in the middle of a line; an empty line does no harm.
    os << '\n' << json::Value(std::move(line)) << '\n';
    os.close();
    error = os.error();
    os.clear_error();
  }
  return error ? createStringError("cannot write '" + path + "': " + error.message()) : Error::success();
}

const Trial *Journal::find(StringRef problem, StringRef config) const {
  auto found = trials.find({problem.str(), config.str()});
  return found == trials.end() ? nullptr : &found->second;
}

} // namespace dgemm::tune
