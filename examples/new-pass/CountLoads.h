#ifndef COUNTLOADS_H
#define COUNTLOADS_H

#include "mlir/Pass/Pass.h"
#include <memory>

/// A pass over kernels of the level `specialized`: says at each loop of a producer what it loads.
std::unique_ptr<mlir::Pass> createCountLoadsPass();

#endif
