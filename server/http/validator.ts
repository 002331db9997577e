import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifySchemaCompiler } from 'fastify'

type BuildValidator = (externalSchemas: unknown, options: object) => FastifySchemaCompiler<unknown>

const factory = AjvCompiler() as unknown as (externalSchemas: unknown, options: object) => FastifySchemaCompiler<unknown>
/** Defaults are not filled in: what was not said could not be told from what was. Each operation has its own. */
const STRICT = { removeAdditional: false, useDefaults: false, coerceTypes: false, allErrors: true, keywords: ['x-chosen-by'] } as const
/** What stands in a URL is text, so numbers are read from it there; nowhere else is a type repaired. */
const FROM_TEXT = { ...STRICT, coerceTypes: 'array' } as const

/** The schema of a body that is one of several, and which member tells each of them. */
type Choice = Readonly<{ anyOf: readonly object[]; 'x-chosen-by': readonly string[] }>

/**
 * Builds the validators: bodies as they are, URL parameters read from text; unknown members refused, every fault gathered. Where a
 * body may be one of several, the member that only one of them has decides, so that faults name what is wrong and not "none fits".
 */
export const buildValidator: BuildValidator = (externalSchemas, options) => {
  const strict = factory(externalSchemas, { ...options, customOptions: STRICT })
  const fromText = factory(externalSchemas, { ...options, customOptions: FROM_TEXT })
  return (route) => {
    if (route.httpPart !== 'body') return fromText(route)
    const choice = choiceOf(route.schema, externalSchemas)
    if (choice === undefined) return strict(route)
    const validators = choice.anyOf.map((schema) => strict({ ...route, schema }))
    const chosen = (body: unknown) => choice['x-chosen-by'].findIndex((member) => typeof body === 'object' && body !== null && Object.hasOwn(body, member))
    return Object.assign(
      (body: unknown) => {
        const validator = validators[Math.max(chosen(body), 0)] as Validator
        const valid = validator(body)
        // Where ajv leaves what it found.
        return valid === true ? true : { error: Object.assign(new Error('the body is invalid'), { validation: validator.errors, validationContext: 'body' }) }
      },
      { errors: null },
    )
  }
}

type Validator = ReturnType<FastifySchemaCompiler<unknown>> & { errors?: unknown }

function choiceOf(schema: unknown, externalSchemas: unknown): Choice | undefined {
  const { $ref } = schema as { $ref?: string }
  const resolved = $ref === undefined ? schema : (externalSchemas as Record<string, unknown>)[$ref.replace(/#$/, '')]
  return typeof resolved === 'object' && resolved !== null && 'x-chosen-by' in resolved ? (resolved as Choice) : undefined
}
