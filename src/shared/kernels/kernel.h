// What every kernel needs of TensorFlow: a status that throws, tensors that are let go, one run's inputs and outputs.
#pragma once

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <vector>

#include "denormals.h"
#include "tensorflow-api.h"

namespace lockstep {

class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  operator TF_Status*() const { return status_; }

  // Throws where TensorFlow says that something is wrong.
  void check() const {
    if (TF_GetCode(status_) != tfOk) throw std::runtime_error(TF_Message(status_));
  }

 private:
  TF_Status* status_;
};

class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor) : tensor_(tensor) {}
  ~Tensor() {
    if (tensor_ != nullptr) TF_DeleteTensor(tensor_);
  }
  Tensor(Tensor&& other) noexcept : tensor_(other.tensor_) { other.tensor_ = nullptr; }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  void* data() const { return TF_TensorData(tensor_); }
  float* floats() const { return static_cast<float*>(data()); }
  std::size_t bytes() const { return TF_TensorByteSize(tensor_); }
  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> dims(TF_NumDims(tensor_));
    for (std::size_t i = 0; i < dims.size(); i++) dims[i] = TF_Dim(tensor_, static_cast<int>(i));
    return dims;
  }

 private:
  TF_Tensor* tensor_;
};

// One run of a kernel.
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context) {}

  int inputs() const { return TF_NumInputs(context_); }

  Tensor input(int index) const {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, index, &tensor, status_);
    status_.check();
    return Tensor(tensor);
  }

  Tensor output(int index, int type, const std::vector<std::int64_t>& shape, std::size_t bytes) const {
    Tensor tensor(TF_AllocateOutput(context_, index, type, shape.data(), static_cast<int>(shape.size()), bytes, status_));
    status_.check();
    return tensor;
  }

  // In the memory of one of these inputs, where nobody else reads it, else in new memory; that input must not be held now.
  Tensor outputInPlace(int index, const std::vector<int>& of, const std::vector<std::int64_t>& shape) const {
    Tensor tensor(TF_ForwardInputOrAllocateOutput(context_, of.data(), static_cast<int>(of.size()), index, shape.data(),
                                                  static_cast<int>(shape.size()), nullptr, status_));
    status_.check();
    return tensor;
  }

 private:
  TF_OpKernelContext* context_;
  Status status_;
};

inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

// Of a kernel that is being made.
class Construction {
 public:
  explicit Construction(TF_OpKernelConstruction* construction) : construction_(construction) {}

  float number(const char* attribute) const {
    float value = 0;
    TF_OpKernelConstruction_GetAttrFloat(construction_, attribute, &value, status_);
    status_.check();
    return value;
  }

  bool flag(const char* attribute) const {
    unsigned char value = 0;
    TF_OpKernelConstruction_GetAttrBool(construction_, attribute, &value, status_);
    status_.check();
    return value != 0;
  }

 private:
  TF_OpKernelConstruction* construction_;
  Status status_;
};

// A kernel is an object made from its attributes, of which there is a method for one run. Its failure is that of the run, and
// no exception may pass through TensorFlow.
template <typename Kernel>
void* make(TF_OpKernelConstruction* construction) {
  try {
    return new Kernel(Construction(construction));
  } catch (const std::exception& error) {
    const Status status;
    TF_SetStatus(status, tfInvalidArgument, error.what());
    TF_OpKernelConstruction_Failure(construction, status);
    return nullptr;
  }
}

template <typename Kernel>
void compute(void* made, TF_OpKernelContext* context) {
  const FlushedDenormals flushed;
  try {
    static_cast<const Kernel*>(made)->compute(Call(context));
  } catch (const std::exception& error) {
    const Status status;
    TF_SetStatus(status, tfInvalidArgument, error.what());
    TF_OpKernelContext_Failure(context, status);
  }
}

template <typename Kernel>
void drop(void* made) {
  delete static_cast<Kernel*>(made);
}

// Output i has the shape of input sources[i].
inline void shareShapes(TF_ShapeInferenceContext* context, const std::vector<int>& sources, TF_Status* status) {
  TF_ShapeHandle* shape = TF_NewShapeHandle();
  for (std::size_t i = 0; i < sources.size() && TF_GetCode(status) == tfOk; i++) {
    TF_ShapeInferenceContextGetInput(context, sources[i], shape, status);
    if (TF_GetCode(status) == tfOk) TF_ShapeInferenceContextSetOutput(context, static_cast<int>(i), shape, status);
  }
  TF_DeleteShapeHandle(shape);
}

struct Definition {
  const char* name;
  std::vector<const char*> inputs;
  std::vector<const char*> outputs;
  std::vector<const char*> attributes;
  void (*shapes)(TF_ShapeInferenceContext*, TF_Status*);
};

inline void registerOperation(const Definition& of) {
  const Status status;
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(of.name);
  for (const char* input : of.inputs) TF_OpDefinitionBuilderAddInput(builder, input);
  for (const char* output : of.outputs) TF_OpDefinitionBuilderAddOutput(builder, output);
  for (const char* attribute : of.attributes) TF_OpDefinitionBuilderAddAttr(builder, attribute);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, of.shapes);
  TF_RegisterOpDefinition(builder, status);
  status.check();
}

// For the operation's type attribute T; for 0 it has none.
template <typename Kernel>
void registerKernel(const char* operation, int type) {
  const Status status;
  TF_KernelBuilder* builder = TF_NewKernelBuilder(operation, "CPU", make<Kernel>, compute<Kernel>, drop<Kernel>);
  if (type != 0) TF_KernelBuilder_TypeConstraint(builder, "T", type, status);
  status.check();
  TF_RegisterKernelBuilder(operation, builder, status);
  status.check();
}

}  // namespace lockstep
