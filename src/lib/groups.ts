/** The items in their order, cut into groups whose sizes add up to `most` at most; an item larger than that is a group of its own. */
export function groupsOf<T>(items: readonly T[], sizeOf: (item: T) => number, most: number): T[][] {
  const groups: T[][] = [];
  let size = Infinity;
  for (const item of items) {
    const own = sizeOf(item);
    size += own;
    if (size > most) {
      groups.push([]);
      size = own;
    }
    groups.at(-1)?.push(item);
  }
  return groups;
}
