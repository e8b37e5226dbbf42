/** Made by the compiler plugin of the build. */
declare module "virtual:clang-asset" {
  export const clangAsset: import("./protocol/compiler.ts").ClangAsset;
}

declare module "virtual:precompiled-demos" {
  export const precompiledDemos: readonly import("./protocol/compiler.ts").PrecompiledBuild[];
}
