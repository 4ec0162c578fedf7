import { Authority, createWorker, Hub, Once, Run, Session, Task as DeployedTask, UpstreamSession } from "../../worker.ts";
import { CONFORMANCE } from "./fixtures/conformance.ts";

/** The Worker of the local default: the deployed one, plus the builtins that the conformance workspace is made of. */
export default createWorker(CONFORMANCE);

class Task extends DeployedTask {
  protected override builtins(): typeof CONFORMANCE {
    return CONFORMANCE;
  }
}

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession };
