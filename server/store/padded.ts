/**
 * Returns a list whose length is a power of two, its last member repeated, for a condition `in`: with a list of every length there would be
 * as many statements, and each would be new to the engine. An empty list stays empty (2 to the power of minus infinity).
 */
export function padded<T>(list: readonly T[]): T[] {
  const size = 2 ** Math.ceil(Math.log2(list.length))
  return Array.from({ length: size }, (_, at) => list[Math.min(at, list.length - 1)] as T)
}
