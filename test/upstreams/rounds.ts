import { acceptedContent, CLIENT_CAPABILITIES_META_KEY, inputRequired, inputResponse, type InputRequests, type McpServer, type ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { DEFAULTS_FORM, ENUMS_FORM, text } from "./catalogue.ts";

/** Key of the fixture's sealed states: any 32 bytes do. */
export const ROUND_STATE = "a-fixture-key-of-thirty-two-bytes";

type Mint = (value: string, ctx: ServerContext) => Promise<string>;

const nameForm = z.object({ name: z.string() });
const askName = inputRequired.elicit({ message: "What is your name?", requestedSchema: nameForm });
const askOk = inputRequired.elicit({ message: "Please confirm", requestedSchema: z.object({ ok: z.boolean() }) });

function sampling(prompt: string, maxTokens: number) {
  return inputRequired.createMessage({ messages: [{ role: "user", content: text(prompt) }], maxTokens });
}

function say(value: string) {
  return { content: [text(value)] };
}

/** Names of the capabilities that this request's client declared. */
export function declaredBy(ctx: ServerContext): string[] {
  const envelope: Record<string, unknown> = { ...ctx.mcpReq.envelope };
  return Object.keys(envelope[CLIENT_CAPABILITIES_META_KEY] ?? {});
}

/** Tools that answer with a question first (multi round-trip requests). States are sealed by the SDK's codec. */
export function registerRounds(server: McpServer, mint: Mint): void {
  const tool = (name: string, description: string, run: (ctx: ServerContext) => ReturnType<typeof say> | ReturnType<typeof inputRequired> | Promise<ReturnType<typeof say> | ReturnType<typeof inputRequired>>) =>
    server.registerTool(`test_input_required_result_${name}`, { description }, run);

  tool("elicitation", "Asks for a name and greets", (ctx) => {
    const answer = acceptedContent(ctx.mcpReq.inputResponses, "user_name", nameForm);
    return answer ? say(`Hello, ${answer.name}!`) : inputRequired({ inputRequests: { user_name: askName } });
  });

  tool("sampling", "Asks the client's model for a capital", (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "capital_question");
    if (answer.kind !== "sampling") return inputRequired({ inputRequests: { capital_question: sampling("What is the capital of France?", 100) } });
    return say(`LLM response: ${JSON.stringify(answer.result.content)}`);
  });

  tool("list_roots", "Asks for the client's roots", (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "client_roots");
    if (answer.kind !== "roots") return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    return say(`Roots: ${answer.roots.map((root) => root.uri).join(", ")}`);
  });

  const confirm = async (ctx: ServerContext) => {
    const answer = acceptedContent<{ ok: boolean }>(ctx.mcpReq.inputResponses, "confirm");
    if (!answer || ctx.mcpReq.requestState<string>() !== "awaiting-confirm") return inputRequired({ inputRequests: { confirm: askOk }, requestState: await mint("awaiting-confirm", ctx) });
    return say(`state-ok: ${answer.ok}`);
  };
  tool("request_state", "Asks for a confirmation and checks its state", confirm);
  tool("tampered_state", "Asks for a confirmation; its state must not be changed", confirm);

  tool("multiple_inputs", "Asks three things at once", async (ctx) => {
    const responses = ctx.mcpReq.inputResponses;
    const person = acceptedContent(responses, "user_name", nameForm);
    const greeting = inputResponse(responses, "greeting");
    const roots = inputResponse(responses, "client_roots");
    if (person && greeting.kind === "sampling" && roots.kind === "roots") return say(`${JSON.stringify(greeting.result.content)} ${person.name}: ${roots.roots.length} roots`);
    const inputRequests = { user_name: askName, greeting: sampling("Generate a greeting", 50), client_roots: inputRequired.listRoots() };
    return inputRequired({ inputRequests, requestState: await mint("awaiting-three", ctx) });
  });

  tool("multi_round", "Asks twice, one after the other", async (ctx) => {
    const state = ctx.mcpReq.requestState<string>() ?? "start";
    const step2 = inputRequired.elicit({ message: "Step 2: What is your favorite color?", requestedSchema: z.object({ color: z.string() }) });
    if (state.startsWith("name:")) {
      const answer = acceptedContent<{ color: string }>(ctx.mcpReq.inputResponses, "step2");
      return answer ? say(`${state.slice("name:".length)} likes ${answer.color}`) : inputRequired({ inputRequests: { step2 }, requestState: await mint(state, ctx) });
    }
    const answer = acceptedContent(ctx.mcpReq.inputResponses, "step1", nameForm);
    if (answer) return inputRequired({ inputRequests: { step2 }, requestState: await mint(`name:${answer.name}`, ctx) });
    const step1 = inputRequired.elicit({ message: "Step 1: What is your name?", requestedSchema: nameForm });
    return inputRequired({ inputRequests: { step1 }, requestState: await mint("start", ctx) });
  });

  tool("capabilities", "Asks only what the client declared", (ctx) => {
    const declared = declaredBy(ctx);
    const responses = ctx.mcpReq.inputResponses;
    const inputRequests: InputRequests = {
      ...(declared.includes("elicitation") && inputResponse(responses, "user_name").kind === "missing" && { user_name: askName }),
      ...(declared.includes("sampling") && inputResponse(responses, "capital_question").kind === "missing" && { capital_question: sampling("What is the capital of France?", 100) }),
      ...(declared.includes("roots") && inputResponse(responses, "client_roots").kind === "missing" && { client_roots: inputRequired.listRoots() }),
    };
    return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : say("Nothing is left to ask");
  });
}

/** Tools by which older revisions ask in the middle of a call. */
export function registerAsking(server: McpServer): void {
  server.registerTool("test_sampling", { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) }, ({ prompt }, ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "sampling");
    if (answer.kind !== "sampling") return inputRequired({ inputRequests: { sampling: sampling(prompt, 100) } });
    return say(`LLM response: ${JSON.stringify(answer.result.content)}`);
  });
  const contact = z.object({ username: z.string().describe("User's response"), email: z.string().describe("User's email address") });
  server.registerTool("test_elicitation", { description: "Asks the person for a user name and an e-mail address", inputSchema: z.object({ message: z.string() }) }, ({ message }, ctx) =>
    elicited(ctx, "User response", () => inputRequired.elicit({ message, requestedSchema: contact })),
  );
  server.registerTool("test_elicitation_sep1034_defaults", { description: "Asks with a default for every type" }, (ctx) =>
    elicited(ctx, "Elicitation completed", () => inputRequired.elicit({ message: "Please review", requestedSchema: DEFAULTS_FORM })),
  );
  server.registerTool("test_elicitation_sep1330_enums", { description: "Asks with every kind of choice" }, (ctx) =>
    elicited(ctx, "Elicitation completed", () => inputRequired.elicit({ message: "Please choose", requestedSchema: ENUMS_FORM })),
  );
}

function elicited(ctx: ServerContext, label: string, question: () => ReturnType<typeof inputRequired.elicit>) {
  const answer = inputResponse(ctx.mcpReq.inputResponses, "elicitation");
  if (answer.kind !== "elicit") return inputRequired({ inputRequests: { elicitation: question() } });
  return say(`${label}: action=${answer.action}, content=${JSON.stringify(answer.action === "accept" ? answer.content : {})}`);
}

/** A prompt that asks before it answers. */
export function roundPrompt(ctx: ServerContext) {
  const answer = acceptedContent<{ context: string }>(ctx.mcpReq.inputResponses, "user_context");
  if (answer) return { messages: [{ role: "user" as const, content: text(`Use this context: ${answer.context}`) }] };
  return inputRequired({
    inputRequests: { user_context: inputRequired.elicit({ message: "What context should the prompt use?", requestedSchema: z.object({ context: z.string() }) }) },
  });
}
