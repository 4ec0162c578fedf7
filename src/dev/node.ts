/** Flags with which this Node runs a `.ts` file: types are stripped without being asked from 22.18 on. */
export function nodeFlags(): string[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const strips = major > 22 || (major === 22 && minor >= 18);
  return ["--disable-warning=ExperimentalWarning", ...(strips ? [] : ["--experimental-strip-types"])];
}
