/** What is made of each item, made anew each time one goes through it: of thousands of rows no two are in memory at once. */
export function lazily<Item, Made>(items: Iterable<Item>, make: (item: Item) => Made): Iterable<Made> {
  return {
    *[Symbol.iterator]() {
      for (const item of items) yield make(item);
    },
  };
}
