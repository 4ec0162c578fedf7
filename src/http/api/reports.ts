import { z } from "@hono/zod-openapi";

/** What a publish did: the version that is current now, and what an operator should know of it. */
export const Published = z
  .object({
    version: z.int(),
    hash: z.string(),
    changed: z.boolean().openapi({ description: "False: the catalog was published like this already." }),
    tools: z.int(),
    warnings: z.array(z.string()),
  })
  .openapi("Published");
