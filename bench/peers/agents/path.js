/** What a CommonJS package of the agents SDK wants of `path`: an ES module cannot `require` it from the platform. */
export { extname } from "node:path";
