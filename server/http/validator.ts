import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifySchemaCompiler } from 'fastify'

type BuildValidator = (externalSchemas: unknown, options: object) => FastifySchemaCompiler<unknown>

const factory = AjvCompiler() as unknown as (externalSchemas: unknown, options: object) => FastifySchemaCompiler<unknown>
const STRICT = { removeAdditional: false, coerceTypes: false, allErrors: true } as const
/** What stands in a URL is text, so numbers are read from it there; nowhere else is a type repaired. */
const FROM_TEXT = { ...STRICT, coerceTypes: 'array' } as const

/** Builds the validators: bodies as they are, URL parameters read from text; unknown members refused, every fault gathered. */
export const buildValidator: BuildValidator = (externalSchemas, options) => {
  const strict = factory(externalSchemas, { ...options, customOptions: STRICT })
  const fromText = factory(externalSchemas, { ...options, customOptions: FROM_TEXT })
  return (route) => (route.httpPart === 'body' ? strict(route) : fromText(route))
}
