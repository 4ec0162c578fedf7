/* What both fixture servers offer alike: the catalogue that the official conformance suite calls by name. */

/** One red pixel. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/** 8 kHz mono, 16 bit, no samples. */
export const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

export const INFO = { name: "fixture", version: "1.0.0" } as const;

type Text = { type: "text"; text: string };
type Content =
  | Text
  | { type: "image"; data: string; mimeType: string }
  | { type: "audio"; data: string; mimeType: string }
  | { type: "resource_link"; uri: string; name: string; mimeType: string }
  | { type: "resource"; resource: { uri: string; mimeType: string; text: string } };

export function text(value: string): Text {
  return { type: "text", text: value };
}

const image: Content = { type: "image", data: PNG, mimeType: "image/png" };

/** Tools that always answer the same. */
export const CONSTANT_TOOLS: readonly { name: string; description: string; content: Content[]; isError?: boolean }[] = [
  { name: "test_simple_text", description: "Answers with one text block", content: [text("This is a simple text response for testing.")] },
  { name: "test_image_content", description: "Answers with one image", content: [image] },
  { name: "test_audio_content", description: "Answers with one sound", content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] },
  {
    name: "test_embedded_resource",
    description: "Answers with an embedded resource",
    content: [{ type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." } }],
  },
  {
    name: "test_multiple_content_types",
    description: "Answers with text, an image and a resource",
    content: [
      text("Multiple content types test:"),
      image,
      { type: "resource", resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' } },
    ],
  },
  { name: "test_resource_link", description: "Answers with a link to a resource", content: [{ type: "resource_link", uri: "test://static-text", name: "static-text", mimeType: "text/plain" }] },
  { name: "test_error_handling", description: "Always fails", content: [text("This tool intentionally returns an error for testing")], isError: true },
];

export const NO_ARGUMENTS = { type: "object", properties: {} } as const;
export const HEADER_ARGUMENT = { type: "object", properties: { region: { type: "string", description: "A region", "x-mcp-header": "Region" } } } as const;
export const TEXT_ARGUMENT = (name: string) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] }) as const;

export const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: { type: "string" }, city: { type: "string" } } } },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
} as const;

/** Arguments of `test_elicitation_sep1034_defaults` and `…sep1330_enums` forms. */
export const DEFAULTS_FORM = {
  type: "object" as const,
  properties: {
    name: { type: "string" as const, description: "Name", default: "John Doe" },
    age: { type: "integer" as const, description: "Age", default: 30 },
    score: { type: "number" as const, description: "Score", default: 95.5 },
    status: { type: "string" as const, description: "Status", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean" as const, description: "Verified", default: true },
  },
};

export const ENUMS_FORM = {
  type: "object" as const,
  properties: {
    untitledSingle: { type: "string" as const, enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string" as const, oneOf: [{ const: "value1", title: "First Option" }, { const: "value2", title: "Second Option" }, { const: "value3", title: "Third Option" }] },
    legacyEnum: { type: "string" as const, enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array" as const, items: { type: "string" as const, enum: ["option1", "option2", "option3"] } },
    titledMulti: { type: "array" as const, items: { anyOf: [{ const: "value1", title: "First Choice" }, { const: "value2", title: "Second Choice" }, { const: "value3", title: "Third Choice" }] } },
  },
};

interface PromptFixture {
  name: string;
  description: string;
  arguments: string[];
  render(values: Record<string, string>): Content[];
}

export const PROMPTS: readonly PromptFixture[] = [
  { name: "test_simple_prompt", description: "A prompt without arguments", arguments: [], render: () => [text("This is a simple prompt for testing.")] },
  {
    name: "test_prompt_with_arguments",
    description: "A prompt with two arguments",
    arguments: ["arg1", "arg2"],
    render: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  {
    name: "test_prompt_with_embedded_resource",
    description: "A prompt that embeds a resource",
    arguments: ["resourceUri"],
    render: ({ resourceUri = "" }) => [
      { type: "resource", resource: { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } },
      text("Please process the embedded resource above."),
    ],
  },
  { name: "test_prompt_with_image", description: "A prompt with an image", arguments: [], render: () => [image, text("Please analyze the image above.")] },
];

export const COMPLETIONS: readonly string[] = ["paris", "park", "party", "test", "testing"];

export function completionsOf(value: string): string[] {
  return COMPLETIONS.filter((candidate) => candidate.startsWith(value));
}

export const RESOURCES = [
  { uri: "test://static-text", name: "static-text", description: "A text that never changes", mimeType: "text/plain", body: { text: "This is the content of the static text resource." } },
  { uri: "test://static-binary", name: "static-binary", description: "An image that never changes", mimeType: "image/png", body: { blob: PNG } },
  { uri: "test://watched-resource", name: "watched-resource", description: "A resource to subscribe to", mimeType: "text/plain", body: { text: "Watched resource content" } },
] as const;

export const TEMPLATE = { uriTemplate: "test://template/{id}/data", name: "template-data", description: "A resource for every id", mimeType: "application/json" } as const;

export function templateText(id: string): string {
  return JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/* What a hop must carry, and no official scenario looks at. */

export const SUM_ARGUMENTS = { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] } as const;
export const SUM_RESULT = { type: "object", properties: { sum: { type: "number" } }, required: ["sum"] } as const;

export const LOGIN_URL = "https://login.example/connect";

/** Key in `_meta` of a vendor whom nobody here knows. */
export const VENDOR_KEY = "vendor.example/mark";

/** A tool with a user interface (MCP Apps), whose resource is in no list. */
export const APP = { tool: "test_app", uri: "ui://fixture/board", mimeType: "text/html;profile=mcp-app", html: "<!doctype html><title>Board</title>" } as const;
