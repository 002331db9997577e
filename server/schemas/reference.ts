import { Type, type Static, type TSchema } from 'typebox'

/**
 * Returns a `$ref` to a schema that is registered under its `$id`, so that it becomes a named component of the OpenAPI document
 * and is written once.
 */
export function refTo<T extends TSchema & { $id?: string }>(schema: T): ReturnType<typeof Type.Unsafe<Static<T>>> {
  if (schema.$id === undefined) throw new TypeError('only a schema with an $id can be referred to')
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

/** Returns the schema of an object whose member names are data (file names): any name, newlines included, which `Type.Record`'s pattern would miss. */
export function mapOf<T extends TSchema & { $id?: string }>(schema: T, description: string): ReturnType<typeof Type.Unsafe<Record<string, Static<T>>>> {
  return Type.Unsafe<Record<string, Static<T>>>({ type: 'object', additionalProperties: refTo(schema), description })
}
