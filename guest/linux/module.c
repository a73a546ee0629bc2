// SPDX-License-Identifier: GPL-2.0-only
/* module.c: SymMod (lichen/guest/module.h): modules that the VMM offers, by our policy. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <crypto/sha2.h>
#include <asm/io.h>

#include "guest.h"

struct pushed { /* a module that came this way, and may go */
	struct list_head list;
	char name[MODULE_NAME_LEN];
};

static struct lichen_module_page *page;
static u32 policy;	  /* enum lichen_module_policy */
static LIST_HEAD(pushed); /* of the worker */

static struct { /* what was accepted and is on its way; of the worker */
	char name[MODULE_NAME_LEN];
	char parameters[sizeof(((struct lichen_module_page *)0)->parameters)];
	u8 sha256[SHA256_DIGEST_SIZE];
	u64 size;
	u32 serial;
	unsigned int count, lists;
	struct page **pages;
	struct lichen_module_list **list;
} offer;

/*
 * The step from `from` to `to` is made where the VMM has not given the request up meanwhile; a
 * request that it has put in its place is seen to then.
 */
static void module_say(u32 serial, u32 from, u32 to, int status)
{
	if (READ_ONCE(page->serial) != serial)
		goto another;
	page->status = status;
	page->text_size = status ? strnlen(page->text, sizeof(page->text)) : 0;
	if (cmpxchg(&page->state, from, to) != from)
		goto another;
	if (READ_ONCE(page->serial) != serial) {
		WRITE_ONCE(page->state, LICHEN_MODULE_ASKED);
		goto another;
	}
	guest_wrmsr(LICHEN_MSR_MODULE_ANSWER, serial);
	return;
another:
	guest_module_serve();
}

static void module_no(u32 serial, u32 from, u32 to, int status, const char *why)
{
	strscpy_pad(page->text, why, sizeof(page->text));
	module_say(serial, from, to, status);
}

static void module_forget_offer(void)
{
	unsigned int i;

	for (i = 0; offer.pages && i < offer.count; i++) {
		if (offer.pages[i])
			__free_page(offer.pages[i]);
	}
	for (i = 0; offer.list && i < offer.lists; i++)
		guest_pages_free(offer.list[i], 1);
	kvfree(offer.pages);
	kvfree(offer.list);
	memset(&offer, 0, sizeof(offer));
}

/* Pages for the bytes, and lists that name them. */
static int module_room(void)
{
	enum { EACH = ARRAY_SIZE(offer.list[0]->pages) };
	unsigned int i;

	offer.count = DIV_ROUND_UP(offer.size, PAGE_SIZE);
	offer.lists = DIV_ROUND_UP(offer.count, EACH);
	offer.pages = kvcalloc(offer.count, sizeof(*offer.pages), GFP_KERNEL);
	offer.list = kvcalloc(offer.lists, sizeof(*offer.list), GFP_KERNEL);
	if (!offer.pages || !offer.list)
		return -ENOMEM;
	for (i = 0; i < offer.count; i++) {
		offer.pages[i] = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
		if (!offer.pages[i])
			return -ENOMEM;
		cond_resched();
	}
	for (i = 0; i < offer.lists; i++) {
		offer.list[i] = guest_pages(1);
		if (!offer.list[i])
			return -ENOMEM;
	}
	for (i = 0; i < offer.count; i++)
		offer.list[i / EACH]->pages[i % EACH] = page_to_phys(offer.pages[i]);
	for (i = 0; i + 1 < offer.lists; i++)
		offer.list[i]->next = virt_to_phys(offer.list[i + 1]);
	return 0;
}

/* Whether the kernel checks signatures of modules, as policy `signed` demands. */
static bool module_checked(void)
{
	return is_module_sig_enforced() || security_locked_down(LOCKDOWN_MODULE_SIGNATURE);
}

static const char *module_judge(int *status)
{
	*status = -EPERM;
	if (policy == LICHEN_MODULE_OFF)
		return "the guest takes no modules (mod=off)";
	if (policy == LICHEN_MODULE_SIGNED && !module_checked())
		return "the guest takes modules only while its kernel enforces signatures "
		       "(mod=signed)";
	*status = -ENOEXEC;
	if (page->kind != LICHEN_MODULE_LINUX)
		return "the guest takes kernel modules only";
	*status = -EFBIG;
	if (page->size == 0 || page->size > LICHEN_MODULE_SIZE_MAX)
		return "too large, or empty";
	*status = -EINVAL;
	if (!*page->name || strnlen(page->name, sizeof(page->name)) >= MODULE_NAME_LEN ||
	    strnlen(page->parameters, sizeof(page->parameters)) == sizeof(page->parameters))
		return "name or parameters are too long";
	*status = 0;
	return NULL;
}

static void module_offered(u32 serial)
{
	const char *why;
	int status;

	module_forget_offer();
	why = module_judge(&status);
	if (why) {
		pr_info("refused a module of the VMM's: %s\n", why);
		module_no(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_REFUSED, status, why);
		return;
	}
	strscpy(offer.name, page->name, sizeof(offer.name));
	memcpy(offer.parameters, page->parameters, sizeof(offer.parameters));
	memcpy(offer.sha256, page->sha256, sizeof(offer.sha256));
	offer.size = page->size;
	offer.serial = serial;
	status = module_room();
	if (status) {
		module_forget_offer();
		module_no(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_REFUSED, status,
			  "the guest has no memory for it");
		return;
	}
	page->list = virt_to_phys(offer.list[0]);
	module_say(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_ACCEPTED, 0);
}

static int module_load(void)
{
	struct guest_image image = { .size = offer.size };
	struct pushed *new = kzalloc(sizeof(*new), GFP_KERNEL);
	u8 hash[SHA256_DIGEST_SIZE];
	int status = -ENOMEM;

	*page->text = '\0';
	image.bytes = vmap(offer.pages, offer.count, VM_MAP, PAGE_KERNEL_RO);
	if (!new || !image.bytes)
		goto out;
	sha256(image.bytes, image.size, hash);
	if (memcmp(hash, offer.sha256, sizeof(hash))) {
		strscpy(page->text, "the bytes are not those that were offered",
			sizeof(page->text));
		status = -EBADMSG;
		goto out;
	}
	status = guest_insmod(&image, offer.name, offer.parameters, page->text,
			      sizeof(page->text));
	if (!status) {
		strscpy(new->name, offer.name, sizeof(new->name));
		list_add(&new->list, &pushed);
		new = NULL;
		pr_info("%s was loaded for the VMM\n", offer.name);
	}
out:
	vunmap(image.bytes);
	kfree(new);
	return status;
}

static void module_copied(u32 serial)
{
	int status;

	if (!offer.pages || offer.serial != serial) {
		module_no(serial, LICHEN_MODULE_COPIED, LICHEN_MODULE_FAILED, -ENOENT,
			  "nothing was accepted");
		return;
	}
	status = module_load();
	module_forget_offer();
	module_say(serial, LICHEN_MODULE_COPIED,
		   status ? LICHEN_MODULE_FAILED : LICHEN_MODULE_LOADED, status);
}

static void module_drop(u32 serial)
{
	char name[MODULE_NAME_LEN] = "";
	struct pushed *one;
	int status;

	strscpy(name, page->name, min(sizeof(name), sizeof(page->name)));
	list_for_each_entry(one, &pushed, list)
	{
		if (strcmp(one->name, name))
			continue;
		*page->text = '\0';
		status = guest_rmmod(name, page->text, sizeof(page->text));
		if (!status || status == -ENOENT) { /* gone, or taken out by others before */
			list_del(&one->list);
			kfree(one);
		}
		if (status) {
			module_say(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_FAILED, status);
			return;
		}
		pr_info("%s was taken out for the VMM\n", name);
		module_say(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_DROPPED, 0);
		return;
	}
	module_no(serial, LICHEN_MODULE_ASKED, LICHEN_MODULE_FAILED, -ENOENT,
		  "no module of this name came from the VMM");
}

static void module_work(struct work_struct *work)
{
	u32 serial = READ_ONCE(page->serial);

	switch (smp_load_acquire(&page->state)) {
	case LICHEN_MODULE_ASKED:
		if (page->request == LICHEN_MODULE_OFFER)
			module_offered(serial);
		else if (page->request == LICHEN_MODULE_DROP)
			module_drop(serial);
		break;
	case LICHEN_MODULE_COPIED:
		module_copied(serial);
		break;
	case LICHEN_MODULE_CANCELLED:
		module_forget_offer();
		break;
	}
}
static DECLARE_WORK(work, module_work);

void guest_module_serve(void)
{
	queue_work(guest_work, &work);
}

void guest_module_register(void)
{
	if (guest_agreed() & LICHEN_FEATURE_MODULE)
		guest_wrmsr(LICHEN_MSR_MODULE_PAGE, guest_at(page, 1));
}

static int module_policy(const char *text)
{
	static const char *const names[] = { "off", "signed", "any" }; /* as in module.h */

	return match_string(names, ARRAY_SIZE(names), text);
}

int guest_module_init(const char *text)
{
	int status = module_policy(text);

	BUILD_BUG_ON(sizeof(*page) > LICHEN_GUEST_PAGE);
	if (status < 0) {
		pr_err("mod=%s: neither off, signed nor any\n", text);
		return -EINVAL;
	}
	policy = status;
	page = guest_pages(1);
	if (!page)
		return -ENOMEM;
	page->kinds = LICHEN_MODULE_LINUX;
	page->policy = policy;
	status = guest_insmod_init();
	if (status)
		guest_pages_free(page, 1);
	return status;
}

void guest_module_exit(void)
{
	struct pushed *one, *next;

	cancel_work_sync(&work);
	module_forget_offer();
	list_for_each_entry_safe(one, next, &pushed, list) kfree(one);
	INIT_LIST_HEAD(&pushed);
	guest_insmod_exit();
	guest_pages_free(page, 1);
}
