/** Values by name, the newest of them: no more than a certain number is kept. */
export type Newest<Value> = Readonly<{ get: (name: string) => Value | undefined; set: (name: string, value: Value) => void }>

/** Returns such values, at most `most`; when one more is set, the one that was set first is forgotten. */
export function createNewest<Value>(most: number): Newest<Value> {
  // A Map keeps the order in which its names were set.
  const values = new Map<string, Value>()
  return {
    get: (name) => values.get(name),
    set: (name, value) => {
      values.set(name, value)
      if (values.size > most) values.delete(values.keys().next().value as string)
    },
  }
}
