// TensorFlow's C API for operations and kernels (tensorflow/c/ops.h, kernels.h, tf_tensor.h), as far as it is used here. Its
// functions are looked up in the library that the process has loaded: no headers of it are needed, and no linking.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>

extern "C" {
struct TF_Status;
struct TF_Tensor;
struct TF_OpDefinitionBuilder;
struct TF_ShapeInferenceContext;
struct TF_ShapeHandle;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
}

namespace lockstep {

// TF_DataType and TF_Code.
constexpr int tfFloat = 1;
constexpr int tfBfloat16 = 14;
constexpr int tfOk = 0;
constexpr int tfInvalidArgument = 3;

#define LOCKSTEP_TENSORFLOW_FUNCTIONS(FUNCTION)                                                                       \
  FUNCTION(TF_Status*, TF_NewStatus, ())                                                                              \
  FUNCTION(void, TF_DeleteStatus, (TF_Status*))                                                                       \
  FUNCTION(int, TF_GetCode, (const TF_Status*))                                                                       \
  FUNCTION(const char*, TF_Message, (const TF_Status*))                                                               \
  FUNCTION(void, TF_SetStatus, (TF_Status*, int, const char*))                                                        \
  FUNCTION(void*, TF_TensorData, (const TF_Tensor*))                                                                  \
  FUNCTION(int, TF_NumDims, (const TF_Tensor*))                                                                       \
  FUNCTION(std::int64_t, TF_Dim, (const TF_Tensor*, int))                                                             \
  FUNCTION(std::size_t, TF_TensorByteSize, (const TF_Tensor*))                                                        \
  FUNCTION(void, TF_DeleteTensor, (TF_Tensor*))                                                                       \
  FUNCTION(TF_OpDefinitionBuilder*, TF_NewOpDefinitionBuilder, (const char*))                                         \
  FUNCTION(void, TF_OpDefinitionBuilderAddInput, (TF_OpDefinitionBuilder*, const char*))                              \
  FUNCTION(void, TF_OpDefinitionBuilderAddOutput, (TF_OpDefinitionBuilder*, const char*))                             \
  FUNCTION(void, TF_OpDefinitionBuilderAddAttr, (TF_OpDefinitionBuilder*, const char*))                               \
  FUNCTION(void, TF_OpDefinitionBuilderSetShapeInferenceFunction,                                                     \
           (TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)))                                \
  FUNCTION(void, TF_RegisterOpDefinition, (TF_OpDefinitionBuilder*, TF_Status*))                                      \
  FUNCTION(std::int64_t, TF_ShapeInferenceContextNumInputs, (TF_ShapeInferenceContext*))                              \
  FUNCTION(TF_ShapeHandle*, TF_NewShapeHandle, ())                                                                    \
  FUNCTION(void, TF_DeleteShapeHandle, (TF_ShapeHandle*))                                                             \
  FUNCTION(void, TF_ShapeInferenceContextGetInput, (TF_ShapeInferenceContext*, int, TF_ShapeHandle*, TF_Status*))     \
  FUNCTION(void, TF_ShapeInferenceContextSetOutput, (TF_ShapeInferenceContext*, int, TF_ShapeHandle*, TF_Status*))    \
  FUNCTION(TF_KernelBuilder*, TF_NewKernelBuilder,                                                                    \
           (const char*, const char*, void* (*)(TF_OpKernelConstruction*), void (*)(void*, TF_OpKernelContext*),      \
            void (*)(void*)))                                                                                         \
  FUNCTION(void, TF_KernelBuilder_TypeConstraint, (TF_KernelBuilder*, const char*, int, TF_Status*))                  \
  FUNCTION(void, TF_RegisterKernelBuilder, (const char*, TF_KernelBuilder*, TF_Status*))                              \
  FUNCTION(void, TF_OpKernelConstruction_GetAttrFloat, (TF_OpKernelConstruction*, const char*, float*, TF_Status*))   \
  FUNCTION(void, TF_OpKernelConstruction_GetAttrBool,                                                                 \
           (TF_OpKernelConstruction*, const char*, unsigned char*, TF_Status*))                                       \
  FUNCTION(void, TF_OpKernelConstruction_Failure, (TF_OpKernelConstruction*, TF_Status*))                             \
  FUNCTION(int, TF_NumInputs, (TF_OpKernelContext*))                                                                  \
  FUNCTION(void, TF_GetInput, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                                    \
  FUNCTION(TF_Tensor*, TF_AllocateOutput,                                                                             \
           (TF_OpKernelContext*, int, int, const std::int64_t*, int, std::size_t, TF_Status*))                        \
  FUNCTION(TF_Tensor*, TF_ForwardInputOrAllocateOutput,                                                               \
           (TF_OpKernelContext*, const int*, int, int, const std::int64_t*, int, int*, TF_Status*))                   \
  FUNCTION(void, TF_OpKernelContext_Failure, (TF_OpKernelContext*, TF_Status*))

#define LOCKSTEP_DECLARE(RESULT, NAME, ARGUMENTS) inline RESULT(*NAME) ARGUMENTS = nullptr;
LOCKSTEP_TENSORFLOW_FUNCTIONS(LOCKSTEP_DECLARE)
#undef LOCKSTEP_DECLARE

// Returns the name of a function that the library has not, or null.
inline const char* findTensorFlow(void* library) {
#define LOCKSTEP_FIND(RESULT, NAME, ARGUMENTS)                               \
  NAME = reinterpret_cast<RESULT(*) ARGUMENTS>(dlsym(library, #NAME));       \
  if (NAME == nullptr) return #NAME;
  LOCKSTEP_TENSORFLOW_FUNCTIONS(LOCKSTEP_FIND)
#undef LOCKSTEP_FIND
  return nullptr;
}

}  // namespace lockstep
